"""A checkpoint's file as plain containers and tensors, refused in one sentence if it is no such.

Nothing is built here, and nothing that the file names is looked up.
"""

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mia_fairseq.checkpoints.plain_values import AGAIN, check_plain
from mia_fairseq.errors import InputError, quoted, refused_pickle, shortened
from mia_fairseq.files import atomic_path, check_is_no_device

_NUMBERS = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8}
_NUMBERS |= {torch.int8, torch.int16, torch.int32, torch.int64}


def read_state(path: Path | str) -> dict[str, Any]:
    """What a checkpoint of fairseq-train holds.

    Args:
        path: the file.

    Returns:
        ``model`` (tensors by name), ``cfg`` (groups of settings by name) and what else the file
        has, such as ``task_state``; its containers are dicts, lists and single values.

    Raises:
        InputError: the file is not there, is cut or changed, holds objects, or its containers are
            not those of a checkpoint; or a weight is no number.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a checkpoint; give a file of it")
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint; train one with fairseq-train")
    check_is_no_device(path)
    _check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a changed file makes of torch's reader
        raise refused_pickle(path, error) from error
    check_state(state, path)
    return dict(state)


def write_checkpoint(path: Path, state: Any) -> None:
    """Writes what `read_state` reads, whole or not at all.

    Raises:
        InputError: the file cannot be written, as on a full disk.
    """
    try:
        with atomic_path(path) as partial, partial.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's own writer tells no number of the system's
        raise InputError(
            f"{path}: cannot be written ({shortened(error)}), as on a full disk; free some space "
            "and run the same command again"
        ) from error


def _check_archive(path: Path) -> None:
    """Raises `InputError` unless each part of the file is there and as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [part for part in archive.infolist() if part.compress_type]
            changed = archive.testzip() if not packed else packed[0].filename
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from error
    except Exception as error:  # zipfile's own on changed files are of many kinds
        raise InputError(
            f"{path} cannot be read as tensors and settings only: it is cut short, changed, or "
            f"another kind of file ({quoted(str(error))}); {AGAIN}"
        ) from error
    if changed:
        raise InputError(
            f"{path} cannot be read as tensors and settings only: its part {quoted(changed)} is "
            f"{'packed' if packed else 'not as it was written'}; {AGAIN}"
        )


def check_state(state: Any, path: Path | str) -> None:
    """Raises `InputError` unless a file's content is that of a checkpoint."""
    if not isinstance(state, dict) or not {"cfg", "model"} <= state.keys():
        raise InputError(f"{path}: is no checkpoint of fairseq-train; give one that it wrote")
    check_weights(state["model"], path)
    settings = state["cfg"]
    if not isinstance(settings, dict) or not isinstance(settings.get("model"), dict):
        raise InputError(f"{path}: its settings are no table of groups; {AGAIN}")
    for name, group in settings.items():
        if not isinstance(group, dict | None):
            raise InputError(
                f"{path}: its settings {quoted(name)} are {quoted(group)}, expected a table; "
                f"{AGAIN}"
            )
    values = {name: value for name, value in state.items() if name != "model"}
    check_plain({**values, "cfg": None}, path, also=(Tensor,), references=True)
    check_plain(settings, path)
    wanted = {"task_state": dict, "extra_state": dict, "optimizer_history": list}
    for name, kind in wanted.items():
        if not isinstance(state.get(name, kind()), kind):
            raise InputError(
                f"{path}: its {name} is {quoted(state[name])}, expected a {kind.__name__}; {AGAIN}"
            )


def check_weights(weights: Any, path: Path | str) -> None:
    """Raises `InputError` unless all are finite tensors by name, each in memory of its own size."""
    if not isinstance(weights, dict) or not weights:
        raise InputError(f"{path}: holds no weights; {AGAIN}")
    for name, weight in weights.items():
        where = f"{path}: its weight {quoted(name)}"
        if not isinstance(name, str) or not _is_array(weight):
            raise InputError(f"{where} is no array of numbers; {AGAIN}")
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise InputError(
                f"{where} holds NaN or Inf, so its training had diverged; give an earlier "
                "checkpoint, or train again with a lower --lr or with --clip-norm 1"
            )


def _is_array(weight: Any) -> bool:
    """Whether it is a dense tensor whose storage holds each of its numbers."""
    return (
        isinstance(weight, Tensor)
        and weight.layout == torch.strided
        and weight.device.type == "cpu"
        and weight.dtype in _NUMBERS
        and weight.numel() * weight.element_size() <= weight.untyped_storage().nbytes()
    )
