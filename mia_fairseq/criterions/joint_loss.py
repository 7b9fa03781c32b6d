"""Eq. 13 and 16: (1 − γ) · task loss + γ · L_KRL; subclasses bring the task loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from torch import Tensor

from mia_fairseq.errors import InputError
from mia_fairseq.fusion import Taught
from mia_fairseq.models.affect_model import AffectOutput
from mia_fairseq.modules.label_losses import known_losses
from mia_fairseq.plugin import flag_group

CRITERIA = {"regression": "mae_krl", "classes": "ce_krl", "multilabel": "bce_krl"}  # by label
BALANCING = {"balanced": 1.0, "root": 0.5}  # weights are counts to the power of minus this


@dataclass
class JointLossConfig(FairseqDataclass):
    """Settings of the joint loss."""

    gamma: float = field(default=0.3, metadata={"help": "weight of L_KRL, Eq. 13; Sec. 4.3"})


class JointLossCriterion(FairseqCriterion):
    """The joint loss of a batch, summed over its utterances.

    fairseq divides by the sample size over all batches and processes of an update, so L_KRL,
    which does not depend on the utterances, is multiplied by the batch's size here and comes out
    with weight γ once.

    Attributes:
        label_kind: the kind of label the task loss is for.
        loss_name: under what name the task loss is logged.
        r_drop: weight of the `disagreement` of two passes in training; 0 for one pass.
    """

    label_kind: ClassVar[str]
    loss_name: ClassVar[str]
    r_drop: float = 0.0

    def __init__(self, task: Any, gamma: float) -> None:
        super().__init__(task)
        if not 0 <= gamma < 1:
            raise InputError(f"--gamma is {gamma:g}, expected a weight from 0 to below 1")
        kind = task.schema.label.kind
        if kind != self.label_kind:
            other = CRITERIA[kind]
            raise InputError(
                f"{type(self).__name__} is for {self.label_kind} labels, {task.schema.corpus} has "
                f"{kind} labels; use --criterion {other}"
            )
        self.gamma = gamma
        self.further = getattr(task.schema, "further", {})
        self.further_weight = getattr(getattr(task, "cfg", None), "further_weight", 1.0)

    def teaching(self, model: Any, sample: Mapping[str, Any]) -> dict[str, Taught]:
        """Labels and rows of a training batch, for models whose fusion asks for them."""
        if not (self.training and getattr(model, "asks_for_labels", False)):
            return {}
        there = sample.get("further", {})
        further = {name: there[name] for name in self.further if name in there}
        return {"taught": Taught(sample["target"], sample["id"], further)}

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Adds the criterion's flags (called by fairseq)."""
        super().add_args(flag_group(parser, "criterion"))

    def task_loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch, summed over its utterances; a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must implement task_loss")

    def batch_loss(self, prediction: Tensor, sample: Mapping[str, Any]) -> Tensor:
        """`task_loss`, for subclasses whose loss reads more of a batch than its labels."""
        return self.task_loss(prediction, sample["target"])

    def forward(
        self, model: Any, sample: Mapping[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        output = model(**sample["net_input"], **self.teaching(model, sample))
        found = self.compute(output, sample)
        if not (self.training and self.r_drop):
            return found
        again = model(**sample["net_input"], **self.teaching(model, sample))
        loss, size, logged = self.compute(again, sample)
        apart = self.r_drop * disagreement(output.prediction, again.prediction) / 2
        return (found[0] + loss) / 2 + apart, size, {**logged, "loss": found[2]["loss"]}

    def compute(
        self, output: AffectOutput, sample: Mapping[str, Any]
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """The joint loss of what a model put out, the batch's size, and what is logged."""
        size = sample["nsentences"]
        task_loss = self.batch_loss(output.prediction, sample)
        for name, target in sample.get("further", {}).items():
            if name in self.further:
                kind, predicted = self.further[name].kind, output.further[name].float()
                losses = known_losses(kind, predicted, target)
                task_loss = task_loss + self.further_weight * losses.sum()
        penalty = task_loss.new_zeros(()) if output.penalty is None else output.penalty
        loss = (1 - self.gamma) * task_loss + self.gamma * penalty * size  # Eq. 13
        logged = {
            "loss": loss.detach(),
            self.loss_name: task_loss.detach(),
            "krl": penalty.detach() * size,
            "ntokens": sample["ntokens"],
            "nsentences": size,
            "sample_size": size,
        }
        return loss, size, logged

    @classmethod
    def reduce_metrics(cls, logging_outputs: Sequence[Mapping[str, Any]]) -> None:
        """Logs the means over utterances of the joint loss and of its two parts."""
        size = sum(utils.item(log["sample_size"]) for log in logging_outputs)
        for name in ("loss", cls.loss_name, "krl"):
            total = sum(float(utils.item(log[name])) for log in logging_outputs)
            metrics.log_scalar(name, total / max(size, 1), size, priority=10, round=5)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        return True


def disagreement(one: Tensor, other: Tensor) -> Tensor:
    """R-Drop: half the sum of both Kullback-Leibler divergences of two (B, k) logits.

    Liang et al., "R-Drop: Regularized Dropout for Neural Networks" (2021). Summed over all rows.
    """
    logs = [logits.float().log_softmax(dim=1) for logits in (one, other)]
    there = torch.nn.functional.kl_div(logs[0], logs[1], reduction="sum", log_target=True)
    back = torch.nn.functional.kl_div(logs[1], logs[0], reduction="sum", log_target=True)
    return (there + back) / 2


def weights_of_classes(choice: str, names: Sequence[str], counts: Sequence[int]) -> Tensor | None:
    """Weights of the cross-entropy, (k,), with mean 1 over the training rows.

    Args:
        choice: ``none``; ``balanced``, each class as heavy as any other; ``root``, the square
            roots of those weights, between the two; or k numbers by commas.
        names: the k classes.
        counts: the training rows of each.

    Raises:
        InputError: the choice cannot be read, or a class to be balanced has no training row.
    """
    if choice == "none":
        return None
    if choice in BALANCING:
        absent = [name for name, count in zip(names, counts, strict=True) if not count]
        if absent:
            raise InputError(
                f"--class-weights {choice}: no training row is of class {absent[0]!r}; "
                "give the weights as numbers"
            )
        weights = torch.tensor(counts, dtype=torch.float64) ** -BALANCING[choice]
    else:
        try:
            weights = torch.tensor([float(part) for part in choice.split(",")]).double()
        except ValueError:
            weights = torch.empty(0)
        if len(weights) != len(names) or not (weights > 0).all():
            raise InputError(
                f"--class-weights is {choice!r}, expected none, balanced, root, or {len(names)} "
                f"positive numbers by commas, for {', '.join(names)}"
            )
    shares = torch.tensor(counts, dtype=torch.float64) / max(sum(counts), 1)
    return (weights / (weights * shares).sum()).float()
