"""A trained model, built of what a file tells of it: from a checkpoint, or an exported folder.

Nothing of fairseq is needed, so that predicting does not wait for its import.
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from torch import Tensor

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.checkpoints.checkpoint_model import check_components
from mia_fairseq.checkpoints.network_size import building, no_larger_than
from mia_fairseq.checkpoints.plain_values import AGAIN
from mia_fairseq.checkpoints.rows_seen import Seen
from mia_fairseq.checkpoints.settings_check import check_settings
from mia_fairseq.errors import InputError, quoted
from mia_fairseq.fairseq_bases import architectures, has_fairseq, settings_class
from mia_fairseq.multilabel_metrics import mean_thresholds
from mia_fairseq.plugin import register

TASK = "multimodal_affect"


class TrainedModel(NamedTuple):
    """A model and what is to be known of it."""

    model: Any  # an AffectModel, or an Ensemble of them
    blueprint: Blueprint
    thresholds: dict[str, float]  # from which probability on each of several labels is predicted
    seen: Seen  # what it was trained on


def build_trained(
    settings: Mapping[str, Any],
    task_state: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    where: Path,
) -> TrainedModel:
    """The model of some settings with trained weights, in evaluation.

    Args:
        settings: of the model, with its ``_name``; those that an older file does not have get
            their defaults.
        task_state: what the file tells of the task: schema, encoders, thresholds.
        weights: parameters and buffers by name, looked through by `check_weights`.
        where: the file, for messages.

    Raises:
        InputError: the architecture is not known, a setting has another type, an encoder that the
            file leaves out is not there, or the weights do not fit.
    """
    numbers = sum(weight.numel() for weight in weights.values())
    with building(str(where)), no_larger_than(numbers, str(where)):
        kind = _architecture(settings.get("_name"), where)
        complete = complete_settings(settings, where)
        blueprint = Blueprint.from_state(task_state).with_encoders(complete)
        model = kind.from_blueprint(complete, blueprint)
        model.load_state_dict(weights, strict=True)
    thresholds = dict(task_state.get("thresholds", {}))
    return TrainedModel(model.eval(), blueprint, thresholds, blueprint.seen)


def read_checkpoint(path: Path | str) -> TrainedModel:
    """The model of a file of fairseq-train.

    Args:
        path: the file; several, with colons between them, are an ensemble whose answers are
            averaged.

    Raises:
        InputError: a file cannot be read, its task or model is none of this plugin's or of the
            user's folder, or its settings, schema or weights are damaged; or the models of an
            ensemble have other schemas.
    """
    from mia_fairseq.models.ensemble import ensemble_of, paths_of

    found = [_read_one(one) for one in paths_of(str(path))]
    if len(found) == 1:
        return found[0]
    schemas = [one.blueprint.schema for one in found]
    model = ensemble_of([one.model for one in found], schemas, paths_of(str(path)))
    seen = tuple(dict.fromkeys(division for one in found for division in one.seen))
    thresholds = mean_thresholds([one.thresholds for one in found])
    return TrainedModel(model.eval(), found[0].blueprint, thresholds, seen)


def _read_one(path: str) -> TrainedModel:
    state = read_state(path)
    settings = state["cfg"]
    if has_fairseq():
        register()  # a task or model of the user's folder, too
        check_components(settings, path)
    elif not (isinstance(settings.get("task"), dict) and settings["task"].get("_name") == TASK):
        raise InputError(f"{path}: was not trained with the task {TASK}; {AGAIN}")
    return build_trained(
        settings["model"], state.get("task_state") or {}, state["model"], Path(path)
    )


def complete_settings(given: Mapping[str, Any], where: Path) -> Any:
    """A model's settings as its constructor reads them, checked by type."""
    kind = settings_class(str(given["_name"]))
    check_settings(given, kind, str(where))
    return SimpleNamespace(**{**vars(kind()), **given})


def _architecture(name: object, where: Path) -> Any:
    import mia_fairseq.models  # noqa: F401

    known = architectures().get(name) if isinstance(name, str) else None
    if not hasattr(known, "from_blueprint"):
        raise InputError(
            f"{where}: its model is {quoted(name)}, which nothing here registers; give the "
            "folder that does as --user-dir, or import it"
        )
    return known
