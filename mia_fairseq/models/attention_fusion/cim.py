"""Contextual Inter-modal Attention: pairs of modalities attend to each other, then gate.

Ghosal et al., Contextual inter-modal attention for multi-modal sentiment analysis, EMNLP 2018;
Akhtar et al., A deep multi-task contextual attention framework for multi-modal affect analysis,
ACM TKDD 14(3), 2020 (the paper's ref. [18]). For each pair X, Y of modalities, of c rows each:

    N₁ = softmax(X Yᵀ),  N₂ = softmax(Y Xᵀ)               over the other's rows, (c, c)
    A₁ = (N₁ Y) ⊙ X,     A₂ = (N₂ X) ⊙ Y                  (c, p)
    M_fused = V [A₁ : A₂ for all pairs : X for all modalities] + v

Different here: the context is the c segments of the utterance, where theirs is the utterances
around it, which a row of ours does not see (with c = 1 each N is 1, and A₁ = A₂ = X ⊙ Y); a
linear map to width p stands in for their bi-directional GRU and dense layers. A missing modality
is zeros, and so are all its pairs.

B batch, c channels, p width.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.fusion_settings import WidthConfig, check_width, rows_there, used
from mia_fairseq.modules.projection import Projections


def attend_and_gate(one: Tensor, other: Tensor) -> Tensor:
    """A₁ = (softmax(X Yᵀ) Y) ⊙ X, (B, c, p), of X and Y, both (B, c, p)."""
    weights = torch.softmax(one @ other.mT, dim=2)  # N₁, (B, c, c)
    return (weights @ other) * one


class ContextualFusion(Fusion):
    """All pairs both ways, and the modalities themselves, through one linear map; width p."""

    def __init__(self, shape: FusionShape, width: int) -> None:
        super().__init__()
        dims = used(shape)
        self.projections = Projections(dims, width)
        self.pairs = tuple(combinations(dims, 2))
        blocks = 2 * len(self.pairs) + len(dims)
        self.output = nn.Linear(blocks * width, shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        x = self.projections(*rows_there(inputs))
        blocks = list(x.values())
        for one, other in self.pairs:
            blocks += [attend_and_gate(x[one], x[other]), attend_and_gate(x[other], x[one])]
        return FusionOutput(self.output(torch.cat(blocks, dim=2)))


@register_model("cim", dataclass=WidthConfig)
class CIM(AffectModel):
    """Any number of modalities; n(n − 1) attentions."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return ContextualFusion(shape, check_width(cfg))
