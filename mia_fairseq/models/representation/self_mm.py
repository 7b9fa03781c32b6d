"""Self-MM: each modality learns a label of its own, made up while training.

Yu et al., Learning modality-specific representations with self-supervised multi-task learning for
multimodal sentiment analysis, AAAI 2021. With x_m the adapted rows of modality m:

    F_m = ReLU(P_m x_m),  F = ReLU(J [F_1 : … : F_n])     of each modality and of the whole
    M_fused = V F + v
    penalty = u · loss of the modalities' heads on labels of their own, see `UnimodalLabels`

Different here: the modalities' sub-networks are the shared encoders and adapters, theirs are BERT
and LSTMs; the criterion multiplies the penalty by --gamma once more. A missing modality is zeros.

B batch, c channels, n modalities, p width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput, Taught
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import WidthConfig, at_least, check_width, rows_there, used
from mia_fairseq.models.representation.unimodal_labels import UnimodalLabels
from mia_fairseq.modules.projection import Projections


@dataclass
class SelfMMConfig(WidthConfig):
    """Settings of self_mm."""

    self_mm_weight: float = setting(
        1.0, "u, weight of the modalities' tasks; --gamma weighs it too"
    )


class SelfSupervisedFusion(Fusion):
    """Concatenation, beside tasks of the modalities.

    Args:
        shape: the modalities and the label.
        width: p.
        weight: u, of the modalities' tasks.
    """

    asks_for_labels: ClassVar[bool] = True
    penalizes_rows: ClassVar[bool] = True

    def __init__(self, shape: FusionShape, width: int, weight: float) -> None:
        super().__init__()
        dims, self.weight = used(shape), weight
        self.projections = Projections(dims, width)  # P
        self.joint = nn.Linear(len(dims) * width, width)  # J
        self.output = nn.Linear(width, shape.dims[shape.main])  # V, v
        self.unimodal = UnimodalLabels(
            tuple(dims), shape.channels * width, shape.label, shape.further
        )

    def forward(
        self, inputs: Mapping[str, ModalityInput], taught: Taught | None = None
    ) -> FusionOutput:
        rows, there = rows_there(inputs)
        vectors = {n: torch.relu(x) for n, x in self.projections(rows, there).items()}  # F_m
        whole = torch.relu(self.joint(torch.cat(list(vectors.values()), dim=2)))  # F, (B, c, p)
        fused = self.output(whole)
        if taught is None:
            return FusionOutput(fused)
        flat = {name: vector.flatten(1) for name, vector in vectors.items()}
        loss = self.unimodal(whole.flatten(1), flat, there, taught)
        return FusionOutput(fused, self.weight * loss)


@register_model("self_mm", dataclass=SelfMMConfig)
class SelfMM(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        (weight,) = at_least(0, cfg, "self_mm_weight")
        return SelfSupervisedFusion(shape, check_width(cfg), weight)
