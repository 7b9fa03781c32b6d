"""The best checkpoint is the best by the metric's own direction, and there always is one.

Symptom: ``--best-checkpoint-metric corr`` keeps the worst epoch without
``--maximize-best-checkpoint-metric``; an unknown metric is a ``KeyError`` after the first epoch; a
first validation of NaN is the best for ever, and no ``checkpoint_best.pt`` is written.
Cause: ``fairseq/checkpoint_utils.py``, ``save_checkpoint``: ``best_function(val_loss, prev_best)``
and ``is_better``; ``fairseq_cli/train.py``, ``validate``: ``stats[best_checkpoint_metric]``.
Delete it when: fairseq asks the task for a metric's direction, and compares NaN.
Fails without it: ``tests/fairseq_patches/test_best_checkpoint.py``.
"""

import logging
import math
from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils

from mia_fairseq.fairseq_patches.early_stopping import counting_function

logger = logging.getLogger(__name__)

METRIC, MAXIMIZE = "best_checkpoint_metric", "maximize_best_checkpoint_metric"


def apply() -> None:
    """Replaces ``load_checkpoint`` and ``save_checkpoint`` of ``checkpoint_utils``."""
    checkpoint_utils.load_checkpoint = _with_direction(checkpoint_utils.load_checkpoint)
    checkpoint_utils.save_checkpoint = _without_nan(checkpoint_utils.save_checkpoint)


def _with_direction(original: Callable[..., Any]) -> Callable[..., Any]:
    """What fairseq-train calls before its first epoch."""

    def load_checkpoint(cfg: Any, trainer: Any, **passthrough: Any) -> Any:
        direction = getattr(getattr(trainer, "task", None), "is_larger_better", None)
        if direction is not None:
            larger = direction(cfg[METRIC], trainer.get_criterion(), asked=cfg[MAXIMIZE])
            for group in (cfg, trainer.cfg.lr_scheduler or {}):
                if MAXIMIZE in group:
                    group[MAXIMIZE] = larger
        return original(cfg, trainer, **passthrough)

    return load_checkpoint


def _without_nan(original: Callable[..., Any]) -> Callable[..., Any]:
    def save_checkpoint(cfg: Any, trainer: Any, epoch_itr: Any, val_loss: Any) -> Any:
        if val_loss is not None and not math.isfinite(val_loss):
            # The first is the best so far, and any number after it is better.
            known = hasattr(checkpoint_utils.save_checkpoint, "best")
            val_loss = None if known else worst(cfg[MAXIMIZE])
        return original(cfg, trainer, epoch_itr, val_loss)

    return save_checkpoint


def worst(larger_is_better: bool) -> float:
    """A figure that every number is better than."""
    return -math.inf if larger_is_better else math.inf


def tell_nan(metric: str, figure: float, larger_is_better: bool) -> None:
    """Warns where validation's figure is NaN or Inf, and counts it as no improvement.

    To be called between a validation and fairseq's counting for ``--patience``.

    Args:
        metric: its name.
        figure: of the validation.
        larger_is_better: the metric's direction.
    """
    if math.isfinite(figure):
        return
    logger.warning("validation's %s is %s: it counts as no improvement", metric, f"{figure:g}")
    counter = counting_function()
    if counter is not None and not hasattr(counter, "best"):
        counter.best, counter.num_runs = worst(larger_is_better), 0
