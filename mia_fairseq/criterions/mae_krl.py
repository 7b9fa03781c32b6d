"""``mae_krl``: mean absolute error and kernel regularization, Eq. 13-14."""

from typing import ClassVar

from fairseq.criterions import register_criterion
from torch import Tensor

from mia_fairseq.criterions.joint_loss import JointLossConfig, JointLossCriterion


@register_criterion("mae_krl", dataclass=JointLossConfig)
class MaeKrlCriterion(JointLossCriterion):
    """For scores."""

    label_kind: ClassVar[str] = "regression"
    loss_name: ClassVar[str] = "mae_loss"

    def task_loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        # Eq. 14 prints a leading minus; we minimise +|y − z|.
        return (target - prediction.float()).abs().sum()
