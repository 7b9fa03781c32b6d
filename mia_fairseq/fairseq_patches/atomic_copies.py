"""Checkpoints are copied beside their place and then moved there.

Symptom: a process that is killed while it saves leaves half a ``checkpoint_last.pt``, and training
cannot go on.
Cause: ``fairseq/checkpoint_utils.py``, ``save_checkpoint``: ``PathManager.copy(checkpoints[0], cp,
overwrite=True)``, which ``fairseq/file_io.py`` does by ``shutil.copyfile`` in place.
Delete it when: fairseq copies under a temporary name, as it saves already.
Fails without it: ``tests/fairseq_patches/test_atomic_copies.py``.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairseq.file_io import PathManager

from mia_fairseq.files import atomic_path


def apply() -> None:
    """Replaces ``PathManager.copy``."""
    PathManager.copy = staticmethod(_copy_then_move(PathManager.copy))


def _copy_then_move(original: Callable[..., Any]) -> Callable[..., Any]:
    def copy(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
        if PathManager.path_requires_pathmanager(dst_path):  # a remote store has its own way
            return original(src_path, dst_path, overwrite)
        with atomic_path(Path(dst_path)) as partial:
            shutil.copyfile(src_path, partial)
        return dst_path

    return copy
