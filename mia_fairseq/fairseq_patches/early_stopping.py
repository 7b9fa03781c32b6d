"""The count of validations without improvement (``--patience``) survives a restart.

Symptom: a run that is killed and started again trains longer than one that was not, and a run that
has stopped early goes on when it is started again.
Cause: ``fairseq_cli/train.py``, ``should_stop_early``, counts in attributes of itself
(``should_stop_early.best``, ``.num_runs``), which no checkpoint holds.
Delete it when: fairseq keeps its count in the checkpoint's ``extra_state``.
Fails without it: ``tests/tasks/test_resume.py::test_patience_survives_a_restart``.

The counting function is found in the training loop that loads or saves the checkpoint: it is on
the stack then, under whatever module name it was started.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from fairseq import checkpoint_utils

STATE_KEY = "early_stopping"

logger = logging.getLogger(__name__)


def apply() -> None:
    """Replaces ``checkpoint_utils.load_checkpoint``; the task hands `early_stopping_state` out."""
    checkpoint_utils.load_checkpoint = _and_restore(checkpoint_utils.load_checkpoint)


def early_stopping_state() -> dict[str, Any]:
    """The count so far, for a checkpoint's ``extra_state``; empty outside training."""
    counter = counting_function()
    if not hasattr(counter, "best"):
        return {}
    return {STATE_KEY: {"best": float(counter.best), "num_runs": int(counter.num_runs)}}


def counting_function() -> Any:
    """The calling loop's ``should_stop_early``; None where no training loop calls."""
    frame = sys._getframe()
    while frame is not None:
        counter = frame.f_globals.get("should_stop_early")
        if counter is not None:
            return counter
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _and_restore(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_checkpoint(cfg: Any, trainer: Any, **passthrough: Any) -> Any:
        extra_state, epoch_itr = original(cfg, trainer, **passthrough)
        if extra_state and not (cfg.reset_meters or cfg.reset_optimizer or cfg.reset_dataloader):
            _restore(extra_state.get(STATE_KEY), cfg)
        return extra_state, epoch_itr

    return load_checkpoint


def _restore(state: Mapping[str, Any] | None, cfg: Any) -> None:
    counter = counting_function()
    if not state or counter is None or cfg.finetune_from_model:
        return
    counter.best, counter.num_runs = state["best"], state["num_runs"]
    if 0 < cfg.patience <= counter.num_runs:
        logger.info(
            "training has stopped early already: %d validations without improvement; "
            "raise --patience to go on",
            counter.num_runs,
        )
        raise SystemExit(0)
