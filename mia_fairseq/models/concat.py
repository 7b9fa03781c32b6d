"""Concatenation: all modalities side by side through one linear map.

The fusion of early work, e.g. Poria et al., Context-dependent sentiment analysis in
user-generated videos, ACL 2017 (the paper's ref. [39]).

    M_fused = V [M : A¹ : … : Aᴺ] + v

In each channel, with the same V. Different here: the result is added to the main modality
(Eq. 11), as every fusion's is. A missing modality is a block of zeros.

B batch, c channels, d_m main dim.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig
from mia_fairseq.models.fusion_settings import used


class ConcatFusion(Fusion):
    """One linear map of everything."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.names = tuple(used(shape))
        self.linear = nn.Linear(sum(used(shape).values()), shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        joined = torch.cat([inputs[name].pooled for name in self.names], dim=2)  # (B, c, Σd)
        return FusionOutput(self.linear(joined))


@register_model("concat", dataclass=AffectModelConfig)
class Concat(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return ConcatFusion(shape)
