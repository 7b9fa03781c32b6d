"""Low-rank Multimodal Fusion: the tensor of TFN with weights of rank r, never written out.

Liu et al., Efficient low-rank multimodal fusion with modality-specific factors, ACL 2018.

    h = Σ_{i=1..r} Π_m (w_m⁽ⁱ⁾ [x_m; 1]) + v               Eq. 6, element-wise product over m

which equals W · ([x_1; 1] ⊗ … ⊗ [x_n; 1]) for W = Σ_i w_1⁽ⁱ⁾ ⊗ … ⊗ w_n⁽ⁱ⁾. In each channel, with
the same factors. Different here: h has the main dim and is added to the main modality (Eq. 11).
A missing modality is x = 0: of its factor the column of the constant 1 remains, which is the
tensor's part for the other modalities.

B batch, c channels, d a modality's dim, d_m main dim, r rank.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import at_least, used


@dataclass
class LMFConfig(AffectModelConfig):
    """Settings of lmf."""

    lmf_rank: int = setting(4, "r, rank of the fusing tensor; Liu et al.")


class LowRankFusion(Fusion):
    """Σ over ranks of products over modalities.

    Args:
        shape: the modalities.
        rank: r.
    """

    def __init__(self, shape: FusionShape, rank: int) -> None:
        super().__init__()
        self.rank, self.width = rank, shape.dims[shape.main]
        # A linear map's weight and bias are the columns of w for x and for the constant 1.
        self.factors = nn.ModuleDict()
        for name, dim in used(shape).items():
            self.factors[name] = factor = nn.Linear(dim, rank * self.width)
            nn.init.ones_(factor.bias)  # so that the product starts near the sum of its factors
        self.bias = nn.Parameter(torch.full((self.width,), -float(rank)))  # v, cancels Σ_i 1

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        product: torch.Tensor | None = None
        for name, factor in self.factors.items():
            mapped = factor(inputs[name].pooled).unflatten(2, (self.rank, self.width))
            product = mapped if product is None else product * mapped  # Λ, (B, c, r, d_m)
        if product is None:
            raise ValueError("low-rank fusion needs one modality or more")
        return FusionOutput(product.sum(dim=2) + self.bias)


@register_model("lmf", dataclass=LMFConfig)
class LMF(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return LowRankFusion(shape, *at_least(1, cfg, "lmf_rank"))
