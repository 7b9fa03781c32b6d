"""Transformer: all modalities' rows are tokens of one encoder.

Vaswani et al., Attention is all you need, NeurIPS 2017, Sec. 3.1; as a fusion of modalities e.g.
Lian et al., CTNet, IEEE/ACM TASLP 29, 2021 (the paper's ref. [58]). With T the n·c projected rows,
for each layer:

    T ← T + MultiHead(LN(T)),  T ← T + FFN(LN(T));   M_fused = V LN(T_main) + v

Different here: layer norm before each part, not behind it; the result is read at the main
modality's c tokens. A missing modality is no key; where the main one is missing its tokens still
ask the others.

B batch, c channels, n modalities, p width.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fairseq_patches.model_names import free_name
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.fusion_settings import (
    TransformerConfig,
    check_width,
    rows_there,
    transformer_settings,
    used,
)
from mia_fairseq.modules.masked_attention import MaskedTransformer
from mia_fairseq.modules.tokens import ModalityTokens


class TransformerFusion(Fusion):
    """An encoder over n·c tokens, read at the main ones.

    Args:
        shape: the modalities.
        width: p.
        layers, heads, dropout: of the encoder.
    """

    def __init__(
        self, shape: FusionShape, width: int, *, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.channels = shape.channels
        self.tokens = ModalityTokens(used(shape), width)
        self.encoder = MaskedTransformer(width, layers, heads, dropout)
        self.output = nn.Linear(width, shape.dims[shape.main])

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        tokens, mask = self.tokens(*rows_there(inputs))  # (B, n·c, p), the main one first
        encoded = self.encoder(tokens, mask, first=self.channels)
        return FusionOutput(self.output(encoded))


free_name("transformer")  # fairseq has a translation model of this name


@register_model("transformer", dataclass=TransformerConfig)
class Transformer(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return TransformerFusion(shape, check_width(cfg), **transformer_settings(cfg))
