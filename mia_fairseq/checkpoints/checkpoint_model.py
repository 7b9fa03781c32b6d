"""A model out of a checkpoint: only what this plugin or the user's own folder registered is built.

A checkpoint names its task, its model and its criterion. fairseq would build any that it knows,
and some of its models run a setting as Python (``conv_feature_layers`` of wav2vec2).
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.checkpoints.network_size import building, no_larger_than
from mia_fairseq.checkpoints.plain_values import AGAIN
from mia_fairseq.checkpoints.rows_seen import fold_for, seen_by
from mia_fairseq.checkpoints.settings_check import check_settings
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError, quoted

Opened = tuple[list[Any], Any, Any]  # models, settings, task

# What an evaluation is asked for on its command line, and never by a checkpoint.
OF_EVALUATION = ("results_json", "predictions", "drop", "noise", "misalign", "perturbation_seed")


def open_checkpoint(
    path: str, load: Callable[..., Opened], overrides: Mapping[str, Any] | None = None, **more: Any
) -> Opened:
    """The model of a checkpoint, in evaluation as fairseq loads it.

    Args:
        path: the file.
        load: fairseq's ``load_model_ensemble_and_task``.
        overrides: settings by name that take the place of the checkpoint's.
        more: arguments of `load`.

    Raises:
        InputError: the file cannot be read, its task or model is none of this plugin's or of the
            user's folder, its settings are of other types, or its weights do not fit them.
    """
    from fairseq.dataclass.utils import overwrite_args_by_name
    from omegaconf import OmegaConf

    _check_one_split(overrides or {})
    state = read_state(path)
    check_components(state["cfg"], path)
    state.setdefault("optimizer_history", [])
    state["args"] = None
    numbers = sum(weight.numel() for weight in state["model"].values())
    with building(path), no_larger_than(numbers, path):
        state["cfg"] = OmegaConf.create(state["cfg"], flags={"allow_objects": True})
        overwrite_args_by_name(state["cfg"], dict(overrides or {}))
        if "fold" not in (overrides or {}):
            _divide_as_trained(state["cfg"].task, state.get("task_state") or {})
        return load([path], overrides, state=state, **more)


def _divide_as_trained(settings: Any, task_state: Mapping[str, Any]) -> None:
    """Sets ``fold`` as the rows to be tested were divided in training; of others, to none."""
    if settings.get("data") and "schema" in task_state:
        settings.fold = fold_for(seen_by(task_state), Store(settings.data))


def _check_one_split(overrides: Mapping[str, Any]) -> None:
    """Raises `InputError` where files that hold one split are asked for several."""
    files = [name for name in ("results_json", "predictions") if overrides.get(name)]
    splits = str(overrides.get("valid_subset") or "").split(",")
    if files and len(splits) > 1:
        raise InputError(
            f"--valid-subset names {', '.join(splits)}, and --results-json and --predictions hold "
            "one split; evaluate one at a time"
        )


def check_components(settings: Mapping[str, Any], path: Path | str) -> None:
    """Raises `InputError` unless task and model are known here and have settings of their types.

    What an evaluation alone sets is set back to its default.

    Args:
        settings: groups by name, changed in place.
        path: of the checkpoint.
    """
    from fairseq.models import MODEL_DATACLASS_REGISTRY
    from fairseq.registry import REGISTRIES
    from fairseq.tasks import TASK_DATACLASS_REGISTRY, TASK_REGISTRY

    from mia_fairseq.fairseq_bases import architectures

    if not isinstance(settings.get("task"), dict):
        raise InputError(f"{path}: names no task; {AGAIN}")
    criteria = REGISTRIES["criterion"]
    check_component("task", settings["task"], TASK_REGISTRY, TASK_DATACLASS_REGISTRY, path)
    kind = TASK_DATACLASS_REGISTRY.get(settings["task"]["_name"])
    for setting in fields(kind) if kind is not None else ():
        if setting.name in OF_EVALUATION:
            settings["task"][setting.name] = setting.default
    check_component("model", settings["model"], architectures(), MODEL_DATACLASS_REGISTRY, path)
    criterion = settings.get("criterion") or {}
    loss = criterion.get("_name")
    if isinstance(loss, str) and loss in criteria["registry"]:  # a prediction needs none
        kinds = criteria["dataclass_registry"]
        check_component("criterion", criterion, criteria["registry"], kinds, path)


def check_component(
    role: str,
    settings: Mapping[str, Any],
    known: Mapping[str, Any],
    dataclasses: Mapping[str, Any],
    path: Path | str,
) -> None:
    """Raises `InputError` unless one component is registered by others than fairseq itself.

    Args:
        role: task, model or criterion.
        settings: with its ``_name``.
        known: classes by name.
        dataclasses: of their settings, by name.
        path: of the checkpoint.
    """
    name = settings.get("_name")
    found = known.get(name) if isinstance(name, str) else None
    if found is None or found.__module__.split(".")[0] == "fairseq":
        own = [one for one, kind in known.items() if kind.__module__.startswith("mia_fairseq")]
        raise InputError(
            f"{path}: its {role} is {quoted(name)}, "
            + ("which is fairseq's own" if found else "which nothing here registers")
            + f"; this plugin opens {', '.join(sorted(own))}, and those of the folder given as "
            "--user-dir"
        )
    kind = dataclasses.get(str(name))
    if kind is not None:
        check_settings(settings, kind, f"{path}, its {role} {name}")
