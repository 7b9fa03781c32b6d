"""The main modality alone, through the same adapter, feed-forward network and head.

The fair baseline for what a fusion adds (the paper's Tables 4 and 9).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig


class NoFusion(Fusion):
    """Adds nothing to the main modality."""

    def __init__(self, main: str) -> None:
        super().__init__()
        self.main = main

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        return FusionOutput(torch.zeros_like(inputs[self.main].pooled))


@register_model("unimodal", dataclass=AffectModelConfig)
class Unimodal(AffectModel):
    """``--main-modality`` alone; ``--aux-modalities`` is not read."""

    needs_auxiliaries: ClassVar[bool] = False

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return NoFusion(shape.main)
