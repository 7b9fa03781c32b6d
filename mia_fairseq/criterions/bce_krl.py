"""``bce_krl``: binary cross-entropy of several labels at once and kernel regularization.

Eq. 13 with another task loss: the mean over labels of -(y log z + (1 - y) log(1 - z)).
"""

from typing import ClassVar

from fairseq.criterions import register_criterion
from torch import Tensor

from mia_fairseq.criterions.joint_loss import JointLossConfig, JointLossCriterion
from mia_fairseq.modules.label_losses import label_losses


@register_criterion("bce_krl", dataclass=JointLossConfig)
class BceKrlCriterion(JointLossCriterion):
    """For several labels at once."""

    label_kind: ClassVar[str] = "multilabel"
    loss_name: ClassVar[str] = "bce_loss"

    def task_loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        return label_losses("multilabel", prediction.float(), target).sum()
