"""By which of validation's figures the best epoch is chosen, and in which direction."""

from collections.abc import Iterable
from typing import Any

from mia_fairseq.criterions.joint_loss import JointLossCriterion
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.errors import InputError, quoted
from mia_fairseq.metrics import score_metrics

COUNTS = ("n", "n_non0")
SMALLER_IS_BETTER = ("mae",)


def scalar_metrics(label: LabelSpec) -> Iterable[str]:
    """The metrics of labels that fit into a line of the log."""
    if label.kind == "classes":
        return ("accuracy", "weighted_f1", "macro_f1", "uar", "n")
    if label.kind == "multilabel":
        return ("accuracy", "weighted_accuracy", "weighted_f1", "macro_f1", "n")
    there = score_metrics(label, [0.0], [0.0])
    logged = ("mae", "corr", "acc7", "acc5", "acc2_has0", "f1_has0", "acc2_non0", "f1_non0")
    return [name for name in (*logged, *COUNTS) if name in there]


def is_larger_better(metric: str, label: LabelSpec, criterion: Any, *, asked: bool) -> bool:
    """Whether the best epoch is the one with the largest figure.

    Args:
        metric: of ``--best-checkpoint-metric``.
        label: of the data.
        criterion: what it logs are losses.
        asked: whether ``--maximize-best-checkpoint-metric`` is given; it decides for figures that
            a criterion of the user's own logs.

    Raises:
        InputError: validation has no such figure, or smaller is better and the largest is asked
            for.
    """
    measured = [name for name in scalar_metrics(label) if name not in COUNTS]
    larger = [name for name in measured if name not in SMALLER_IS_BETTER]
    losses = ["loss", "krl", getattr(criterion, "loss_name", "loss")]
    smaller = [name for name in measured if name not in larger] + losses
    if metric in larger:
        return True
    if metric in smaller:
        if asked:
            raise InputError(
                f"--maximize-best-checkpoint-metric would keep the epoch of the largest {metric}, "
                "and smaller is better; leave it out"
            )
        return False
    logs, ours = (
        getattr(owner.reduce_metrics, "__func__", None)
        for owner in (type(criterion), JointLossCriterion)
    )
    if logs is not ours:
        return asked  # of what this criterion logs beside, the user knows the direction
    raise InputError(
        f"--best-checkpoint-metric is {quoted(metric)}, expected one of "
        f"{', '.join(dict.fromkeys(['loss', *larger, *smaller]))}"
    )
