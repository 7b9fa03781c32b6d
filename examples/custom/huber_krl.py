"""A criterion of one's own: Huber's loss in place of the mean absolute error of Eq. 14.

``fairseq-train DATA --user-dir examples/custom --task multimodal_affect --criterion huber_krl ...``
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from fairseq.criterions import register_criterion
from torch import Tensor
from torch.nn import functional as F

from mia_fairseq.criterions.joint_loss import JointLossConfig, JointLossCriterion


@dataclass
class HuberKrlConfig(JointLossConfig):
    """Settings of huber_krl."""

    huber_delta: float = field(
        default=1.0, metadata={"help": "errors below this are squared, in the labels' unit"}
    )


@register_criterion("huber_krl", dataclass=HuberKrlConfig)
class HuberKrlCriterion(JointLossCriterion):
    """For scores with outliers."""

    label_kind: ClassVar[str] = "regression"
    loss_name: ClassVar[str] = "huber_loss"

    def __init__(self, task: Any, gamma: float, huber_delta: float) -> None:
        super().__init__(task, gamma)
        self.delta = huber_delta

    def task_loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(prediction.float(), target, delta=self.delta, reduction="sum")
