"""``ce_krl``: cross-entropy and kernel regularization, Eq. 16-18."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from fairseq.criterions import register_criterion
from torch import Tensor
from torch.nn import functional as F

from mia_fairseq.criterions.joint_loss import (
    JointLossConfig,
    JointLossCriterion,
    weights_of_classes,
)
from mia_fairseq.errors import InputError


@dataclass
class CeKrlConfig(JointLossConfig):
    """Settings of ce_krl."""

    class_weights: str = field(
        default="none",
        metadata={
            "help": "weights of classes in the loss: none, balanced, root (the square roots of "
            "balanced ones), or numbers by commas"
        },
    )
    label_smoothing: float = field(
        default=0.0,
        metadata={
            "help": "share of each label that is spread evenly over all classes; ours, the paper "
            "has none"
        },
    )
    r_drop: float = field(
        default=0.0,
        metadata={
            "help": "R-Drop: each training batch goes through the model twice, and this is the "
            "weight of how far both answers are apart; ours, the paper has none"
        },
    )


@register_criterion("ce_krl", dataclass=CeKrlConfig)
class CeKrlCriterion(JointLossCriterion):
    """For classes."""

    label_kind: ClassVar[str] = "classes"
    loss_name: ClassVar[str] = "ce_loss"

    def __init__(
        self,
        task: Any,
        gamma: float,
        class_weights: str,
        label_smoothing: float = 0.0,
        r_drop: float = 0.0,
    ) -> None:
        super().__init__(task, gamma)
        if not 0 <= label_smoothing < 1:
            raise InputError(
                f"--label-smoothing is {label_smoothing:g}, expected a share from 0 to below 1"
            )
        if r_drop < 0:
            raise InputError(f"--r-drop is {r_drop:g}, expected 0 or more")
        self.label_smoothing, self.r_drop = label_smoothing, r_drop
        schema = task.schema
        self.class_weights = weights_of_classes(
            class_weights, schema.label.names, schema.class_counts
        )

    def task_loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        weights = self.class_weights
        if weights is not None:
            weights = weights.to(prediction.device)
        return F.cross_entropy(
            prediction.float(),
            target,
            weight=weights,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
