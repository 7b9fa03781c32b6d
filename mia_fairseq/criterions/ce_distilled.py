"""``ce_distilled``: `ce_krl` beside what a larger model makes of the training rows.

    fairseq-validate DATA_LARGE ... --path LARGE.pt --valid-subset train --predictions teacher.tsv
    fairseq-train DATA ... --criterion ce_distilled --teacher teacher.tsv

Distillation as in Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fairseq.criterions import register_criterion
from torch import Tensor
from torch.nn import functional as F

from mia_fairseq.criterions.ce_krl import CeKrlConfig, CeKrlCriterion
from mia_fairseq.errors import InputError

SMALLEST = 1e-6  # a probability that was printed as 0
MEND = "give what fairseq-validate writes with --valid-subset train --predictions FILE"


@dataclass
class CeDistilledConfig(CeKrlConfig):
    """Settings of ce_distilled."""

    teacher: str = field(
        default="",
        metadata={
            "help": "the teacher's predictions for the training rows, as fairseq-validate writes "
            "them with --valid-subset train --predictions"
        },
    )
    teacher_share: float = field(
        default=0.7, metadata={"help": "weight of the teacher beside the labels, from 0 to 1"}
    )
    temperature: float = field(
        default=2.0, metadata={"help": "how far both distributions are softened; 1 leaves them"}
    )


@register_criterion("ce_distilled", dataclass=CeDistilledConfig)
class CeDistilledCriterion(CeKrlCriterion):
    """For classes; in evaluation it is `ce_krl` and needs no teacher.

    What training logs as ``ce_loss`` has the teacher's part in it.
    """

    def __init__(
        self,
        task: Any,
        gamma: float,
        class_weights: str,
        teacher: str,
        teacher_share: float,
        temperature: float,
        label_smoothing: float = 0.0,
        r_drop: float = 0.0,
    ) -> None:
        super().__init__(task, gamma, class_weights, label_smoothing, r_drop)
        if not teacher:
            raise InputError(f"--criterion ce_distilled learns from --teacher; {MEND}")
        if not 0 <= teacher_share <= 1:
            raise InputError(f"--teacher-share is {teacher_share:g}, expected 0 to 1")
        if not temperature > 0:
            raise InputError(f"--temperature is {temperature:g}, expected more than 0")
        self.path, self.share, self.temperature = teacher, teacher_share, temperature
        self._taught: Tensor | None = None

    def batch_loss(self, prediction: Tensor, sample: Mapping[str, Any]) -> Tensor:
        labelled = super().batch_loss(prediction, sample)
        if not self.training:
            return labelled
        taught = self._teacher()[sample["id"].cpu()].to(prediction.device)  # (B, k) softened
        own = F.log_softmax(prediction.float() / self.temperature, dim=1)
        distance = F.kl_div(own, taught, reduction="sum") * self.temperature**2
        return (1 - self.share) * labelled + self.share * distance

    def _teacher(self) -> Tensor:
        """(rows, k) softened probabilities, in the order of the training rows; read once."""
        if self._taught is None:
            rows = self.task.datasets["train"].split.rows
            ids, names = [row.id for row in rows], self.task.schema.label.names
            shares = read_probabilities(Path(self.path), ids, names)
            softened = shares.clamp(min=SMALLEST) ** (1 / self.temperature)
            self._taught = softened / softened.sum(dim=1, keepdim=True)
        return self._taught


def read_probabilities(file: Path, ids: Sequence[str], names: Sequence[str]) -> Tensor:
    """Probabilities of rows by their ids, from a table of predictions.

    Args:
        file: with columns ``id`` and ``p_NAME`` of each class.
        ids: of the wanted rows, in order.
        names: the k classes, in order.

    Returns:
        (rows, k), from 0 to 1.

    Raises:
        InputError: the table cannot be read, is of other classes, or lacks a row.
    """
    columns = [f"p_{name}" for name in names]
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            header, rows = table.fieldnames or (), list(table)
        lacking = [name for name in ("id", *columns) if name not in header]
        shares_by_id = (
            {} if lacking else {r["id"]: [float(r[name]) for name in columns] for r in rows}
        )
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"--teacher {str(file)!r}: cannot be read ({error}); {MEND}") from error
    if lacking:
        raise InputError(
            f"--teacher {file}: has no column {lacking[0]!r}, expected the id and a probability "
            f"of each of {', '.join(names)}; {MEND}"
        )
    missing = [name for name in ids if name not in shares_by_id]
    if missing:
        raise InputError(
            f"--teacher {file}: {len(missing)} of {len(ids)} training rows have no prediction "
            f"(the first: {missing[0]!r}); {MEND}"
        )
    shares = torch.tensor([shares_by_id[name] for name in ids])
    wrong = ~((shares >= 0) & (shares <= 1)).all(dim=1)  # NaN too
    if wrong.any():
        raise InputError(
            f"--teacher {file}: the probabilities of row {ids[int(wrong.nonzero()[0])]!r} are not "
            f"from 0 to 1; {MEND}"
        )
    return shares
