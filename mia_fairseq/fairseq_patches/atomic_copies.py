"""Checkpoints are copied beside their place and then moved there; a full disk is a sentence.

Symptom: a process that is killed while it saves leaves half a ``checkpoint_last.pt``, and training
cannot go on. A full disk ends in three tracebacks after five seconds, and half a file stays.
Cause: ``fairseq/checkpoint_utils.py``, ``save_checkpoint``: ``PathManager.copy(checkpoints[0], cp,
overwrite=True)``, which ``fairseq/file_io.py`` does by ``shutil.copyfile`` in place; and
``_torch_persistent_save``, which tries three times and logs each traceback.
Delete it when: fairseq copies under a temporary name, as it saves already, and tells of the disk.
Fails without it: ``tests/fairseq_patches/test_atomic_copies.py``.
"""

import glob
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from mia_fairseq.checkpoints.checkpoint_file import write_checkpoint
from mia_fairseq.files import atomic_path


def apply() -> None:
    """Replaces ``PathManager.copy`` and ``checkpoint_utils.torch_persistent_save``."""
    PathManager.copy = staticmethod(_copy_then_move(PathManager.copy))
    checkpoint_utils.torch_persistent_save = _save_then_move(checkpoint_utils.torch_persistent_save)


def _copy_then_move(original: Callable[..., Any]) -> Callable[..., Any]:
    def copy(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
        if PathManager.path_requires_pathmanager(dst_path):  # a remote store has its own way
            return original(src_path, dst_path, overwrite)
        with atomic_path(Path(dst_path)) as partial:
            shutil.copyfile(src_path, partial)
        return dst_path

    return copy


def _save_then_move(original: Callable[..., None]) -> Callable[..., None]:
    def torch_persistent_save(obj: Any, filename: str, async_write: bool = False) -> None:
        if async_write or PathManager.path_requires_pathmanager(filename):
            original(obj, filename, async_write)
            return
        path = Path(filename)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            left.unlink(missing_ok=True)  # of processes that were killed while they saved
        write_checkpoint(path, obj)

    return torch_persistent_save
