"""One training at a time writes into a ``--save-dir``.

Symptom: two ``fairseq-train`` with one ``--save-dir`` write over each other's checkpoints, and what
is left is of both.
Cause: ``fairseq/checkpoint_utils.py``, ``verify_checkpoint_directory``, asks whether the folder can
be written, and not whether somebody writes it.
Delete it when: fairseq locks the folder that it saves into.
Fails without it: ``tests/fairseq_patches/test_one_training.py``.

The folder itself is locked, so nothing is left behind, however the process ends. On a file system
that cannot lock folders trainings are not kept apart.
"""

import fcntl
import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils
from fairseq.distributed import utils as distributed_utils

from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)

_held: set[int] = set()  # descriptors of this process's locked folders


def apply() -> None:
    """Replaces ``checkpoint_utils.verify_checkpoint_directory`` and ``call_main``."""
    os.register_at_fork(after_in_child=_close)  # a worker may outlive the training
    verify, call = checkpoint_utils.verify_checkpoint_directory, distributed_utils.call_main
    checkpoint_utils.verify_checkpoint_directory = _hold_then(verify)
    distributed_utils.call_main = _then_release(call)


def hold(folder: str) -> None:
    """Keeps other processes from training into a folder, until `release` or this process's end.

    Raises:
        InputError: another one does already.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise InputError(
                f"--save-dir {folder}: another training is writing it; wait for that one, or name "
                "another folder"
            ) from error
        logger.debug("%s cannot be locked (%s)", folder, error)
        return
    _held.add(descriptor)


def release() -> None:
    """Lets go of what this process holds, even where a child just forked has not closed it yet."""
    for descriptor in _held:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    _close()


def _close() -> None:
    """Closes what was held; in a child that alone, since to unlock would let go for its parent."""
    while _held:
        os.close(_held.pop())


def _hold_then(verify: Callable[[str], None]) -> Callable[[str], None]:
    @functools.wraps(verify)
    def verify_checkpoint_directory(save_dir: str) -> None:
        Path(save_dir).mkdir(parents=True, exist_ok=True)
        hold(save_dir)
        verify(save_dir)

    return verify_checkpoint_directory


def _then_release(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def call_main(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        finally:
            release()

    return call_main
