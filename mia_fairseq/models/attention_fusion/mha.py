"""Multi-head attention: the main modality asks all modalities at once.

Vaswani et al., Attention is all you need, NeurIPS 2017, Sec. 3.2.2. With X_m the c projected
rows of modality m and T all of them, n·c tokens:

    head_i = softmax((X_main Q_i) (T K_i)ᵀ / √(p/h)) T V_i
    M_fused = V [head_1 : … : head_h] O + v

The paper's Table 10 seems to have one attention a modality, each over a single position, where a
softmax has nothing to choose from; here one attention chooses between modalities. A missing
modality is no key.

B batch, c channels, p width, h heads.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.fusion_settings import AttentionConfig, check_width, rows_there, used
from mia_fairseq.modules.masked_attention import attend
from mia_fairseq.modules.tokens import ModalityTokens


class AttentionFusion(Fusion):
    """One attention from the main modality's rows to everyone's.

    Args:
        shape: the modalities.
        width: p.
        heads: h.
        dropout: of attention weights.
    """

    def __init__(self, shape: FusionShape, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.channels = shape.channels
        self.tokens = ModalityTokens(used(shape), width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.output = nn.Linear(width, shape.dims[shape.main])

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        tokens, mask = self.tokens(*rows_there(inputs))  # (B, n·c, p), the main one first
        main = tokens[:, : self.channels]
        return FusionOutput(self.output(attend(self.attention, main, tokens, mask)))


@register_model("mha", dataclass=AttentionConfig)
class MHA(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return AttentionFusion(shape, check_width(cfg), cfg.fusion_heads, cfg.dropout)
