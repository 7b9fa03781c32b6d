"""A fusion of one's own: the sum of the auxiliaries, each through a linear map and a gate.

``fairseq-train DATA --user-dir examples/custom --task multimodal_affect --arch gated_sum ...``

Everything but the fusion comes from `AffectModel`: encoders, adapters, the dual residual
structure, the head; and so do the trainer, the criteria and the evaluation.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig


class GatedSum(Fusion):
    """Σ σ(u_a) · V_a over auxiliaries a, with u_a and V_a linear in the auxiliary's vector."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        width = shape.dims[shape.main]
        self.maps = nn.ModuleDict(
            {name: nn.Linear(shape.dims[name], 2 * width) for name in shape.auxiliaries}
        )

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        terms = []
        for name, linear in self.maps.items():
            gate, value = linear(inputs[name].pooled).chunk(2, dim=-1)  # (B, c, d_m) each
            terms.append(torch.sigmoid(gate) * value)
        return FusionOutput(torch.stack(terms).sum(dim=0))


@register_model("gated_sum", dataclass=AffectModelConfig)
class GatedSumModel(AffectModel):
    """The model: all of AffectModel, with this fusion."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return GatedSum(shape)
