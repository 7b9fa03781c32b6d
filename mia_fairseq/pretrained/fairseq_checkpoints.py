"""fairseq's released checkpoints, loaded by fairseq without free unpickling.

The releases of 2019 hold an `argparse.Namespace` and meters that have moved since. torch refuses
unknown classes; these few are allowed by name, the meters as classes that do nothing.
"""

import argparse
import ast
import collections
import contextlib
import logging
import pickle
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from mia_fairseq.errors import InputError, quoted, refused_pickle
from mia_fairseq.fairseq_import import load_fairseq

logger = logging.getLogger(__name__)


# Whether fairseq is to load one of its own releases, whose model is checked where it is asked for.
reading_release: ContextVar[bool] = ContextVar("reading_release", default=False)


class _Inert:
    """Takes the place of a class whose objects a released checkpoint holds and nobody needs."""

    def __init__(self, *_: object, **__: object) -> None:
        """Whatever it was called with is dropped."""

    def __setstate__(self, state: object) -> None:
        """So is what it held."""


_UNREADABLE = (pickle.UnpicklingError, EOFError, RuntimeError)
_NUMBERS = "?bBhHiIlLqQefdg"  # NumPy's codes of plain numbers
_MOVED = [
    f"fairseq.{module}.{meter}"
    for module in ("meters", "logging.meters")
    for meter in ("AverageMeter", "TimeMeter", "StopwatchMeter", "MetersDict")
]


def old_objects_allowed() -> contextlib.AbstractContextManager[None]:
    """Let torch read, besides tensors, the few harmless objects that releases hold."""
    from torch.serialization import safe_globals

    known: list[Any] = [argparse.Namespace, collections.defaultdict, np.dtype]
    known += {type(np.dtype(code)) for code in _NUMBERS}
    number = np.float64(0).__reduce__()[0]  # numpy's maker of scalars, which has moved too
    known += [(number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    known += [(_Inert, name) for name in _MOVED]
    allowed: contextlib.AbstractContextManager[None] = safe_globals(known)
    return allowed


@contextlib.contextmanager
def old_checkpoints_allowed(path: Path) -> Iterator[None]:
    """Let torch read what fairseq's releases hold; anything else ends in one sentence."""
    token = reading_release.set(True)
    with old_objects_allowed():
        try:
            yield
        except _UNREADABLE as error:
            raise refused_pickle(path, error) from error
        finally:
            reading_release.reset(token)


def load_dictionary(path: Path) -> Any:
    """fairseq's `Dictionary` out of a dict.txt, its special symbols in front.

    Raises:
        InputError: there is none, or it has not the format.
    """
    load_fairseq()
    from fairseq.data import Dictionary

    if not path.is_file():
        raise InputError(f"{path} is missing; put the dict.txt of the release there")
    try:
        return Dictionary.load(str(path))
    except Exception as error:  # fairseq raises a bare one for text that is no UTF-8
        raise InputError(
            f"{path} is no dictionary of fairseq ({' '.join(str(error).split())}); put the "
            "dict.txt of the release there"
        ) from error


def load_roberta(folder: Path, checkpoint: str, **overrides: object) -> Any:
    """fairseq's RobertaHubInterface over a checkpoint, in evaluation mode.

    ``overrides`` take the place of its settings. It gets no byte pairs of its own, since words come
    to it as ids (`preprocess.networks.text_tokenizer`).
    """
    load_fairseq()
    from fairseq.checkpoint_utils import load_model_ensemble_and_task
    from fairseq.models.roberta import RobertaHubInterface

    path = folder / checkpoint
    with old_checkpoints_allowed(path):
        state = _mapping_in(path)
        _check_architecture(state, "roberta", path)
        settings = {"data": str(folder), "bpe": None, **overrides}
        models, cfg, task = load_model_ensemble_and_task(
            [str(path)], settings, state=_with_all_parts(state, settings)
        )
        roberta = RobertaHubInterface(cfg, task, models[0])
    return roberta.eval()


def load_wav2vec(path: Path) -> Any:
    """fairseq's (vq-)wav2vec model out of a checkpoint, in evaluation mode.

    fairseq evaluates the layers' description, a string in the checkpoint, as Python; so only a
    plain list of numbers is let through.
    """
    load_fairseq()
    from fairseq.checkpoint_utils import load_model_ensemble_and_task

    with old_checkpoints_allowed(path):
        state = _mapping_in(path)
        settings = state.get("args")
        if settings is None or not hasattr(settings, "conv_feature_layers"):
            raise InputError(f"{path} holds no wav2vec settings; it is another kind of checkpoint")
        for name in ("conv_feature_layers", "conv_aggregator_layers"):
            try:
                ast.literal_eval(getattr(settings, name, "[]"))
            except (ValueError, SyntaxError, TypeError) as error:
                raise InputError(f"{path}: its {name} is no plain list; not loaded") from error
        _check_architecture(state, "wav2vec.wav2vec", path)
        own = {"data": str(path.parent)}
        models, _, _ = load_model_ensemble_and_task(
            [str(path)], own, state=_with_all_parts(state, own)
        )
    return models[0].eval()


def read_release(path: Path) -> Any:
    """What a release's file holds: tensors, settings and plain numbers.

    Raises:
        InputError: it holds anything else, or is broken.
    """
    import torch

    with old_objects_allowed():
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a changed file makes of torch's reader
            raise refused_pickle(path, error) from error


def _mapping_in(path: Path) -> Mapping[str, Any]:
    """What a release holds by name; the caller says what may be in it."""
    state = read_release(path)
    if not isinstance(state, Mapping):
        raise InputError(f"{path} holds no model; give a checkpoint of fairseq's")
    return state


def _with_all_parts(state: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A release as fairseq of today has it, though it lacks what only its training needed.

    Releases have been stripped of the optimizer's history and of what stood beside the weights,
    and some settings are None where today's fairseq wants a value: its own default holds there.

    Args:
        state: as read.
        settings: of ours, in the place of the release's.
    """
    from fairseq.checkpoint_utils import _upgrade_state_dict
    from fairseq.dataclass.utils import overwrite_args_by_name
    from omegaconf import OmegaConf

    whole: dict[str, Any] = {"extra_state": {}, "last_optimizer_state": None, **state}
    whole["optimizer_history"] = state.get("optimizer_history") or [{"best_loss": None}]
    if isinstance(whole.get("args"), argparse.Namespace):
        given = {name: value for name, value in vars(whole["args"]).items() if value is not None}
        whole["args"] = argparse.Namespace(**{**given, **settings})
    elif whole.get("cfg") is not None:
        whole["cfg"] = OmegaConf.create(whole["cfg"], flags={"allow_objects": True})
        overwrite_args_by_name(whole["cfg"], dict(settings))
    upgraded: dict[str, Any] = _upgrade_state_dict(whole)
    return upgraded


def _check_architecture(state: Mapping[str, Any], folder: str, path: Path) -> None:
    """Raises `InputError` unless a release names a model of one folder of fairseq's models.

    fairseq would build any model that it names, and some of them run a setting as Python.
    """
    from fairseq.models import ARCH_MODEL_REGISTRY

    settings, groups = state.get("args"), state.get("cfg")
    name: object = None
    if isinstance(settings, argparse.Namespace):
        name = getattr(settings, "arch", None)
    elif settings is None and isinstance(groups, Mapping):
        model = groups.get("model")
        name = model.get("_name") if isinstance(model, Mapping) else None
    name = "wav2vec" if name == "audio_cpc" else name  # as fairseq renames it
    known = ARCH_MODEL_REGISTRY.get(name) if isinstance(name, str) else None
    if known is None or not known.__module__.startswith(f"fairseq.models.{folder}"):
        raise InputError(
            f"{path}: its model is {quoted(name)}, expected one of fairseq.models.{folder}; give a "
            "release of that"
        )
