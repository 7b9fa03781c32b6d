"""SSE-FT: the first position of one modality attends over another one's sequence, both ways.

Siriwardhana et al., Multimodal emotion recognition with Transformer-based self supervised feature
fusion, IEEE Access 8, 2020, Sec. III; its ancestor with two modalities is the paper's ref. [57]
(Interspeech 2020). With X_m the sequence of modality m and f_m its first position:

    I_{i→j} = CrossModal(f_i, X_j)        inter-modality attention of all ordered pairs, one layer
    H_i = ∏_{j≠i} I_{i→j}                 Hadamard product of what the others tell modality i
    M_fused = V [H_i for all i] + v

Beside encoders that learn along (``--encoders``) this is the ancestor of MIA-Net. Different here:
what asks is the c adapted rows, the means of segments, or the first vector with ``--pooling
first``; no Transformer of its own is put before the attention. A missing modality tells nothing,
and is no factor of the product; where it should ask, H_i is zeros.

The equations are from memory and the paper's abstract; nobody has checked them against its full
text.

B batch, T time, c channels, p width.
"""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.fusion_settings import AttentionConfig, check_width, used
from mia_fairseq.models.modality_streams import summary_streams
from mia_fairseq.modules.masked_attention import CrossModalTransformer, some
from mia_fairseq.modules.positions import sinusoids
from mia_fairseq.modules.projection import Projections


class FirstPositionFusion(Fusion):
    """n(n − 1) attentions from first positions to sequences, multiplied by asking modality.

    Args:
        shape: the modalities.
        width: p.
        heads, dropout: of each attention.
    """

    def __init__(self, shape: FusionShape, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        dims = used(shape)
        self.names, self.channels = tuple(dims), shape.channels
        self.projections = Projections(dims, width)
        self.attentions = nn.ModuleDict(
            {
                f"{asking}_asks_{asked}": CrossModalTransformer(width, 1, heads, dropout)
                for asking, asked in permutations(dims, 2)
            }
        )
        self.output = nn.Linear(len(dims) * width, shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        streams = summary_streams(self.projections, inputs)
        keys = {name: tokens + sinusoids(tokens) for name, (tokens, _) in streams.items()}
        products = []
        for asking in self.names:
            first = streams[asking][0][:, : self.channels]  # f_i, (B, c, p)
            product = some(streams[asking][1]).to(first.dtype).expand_as(first)
            heard = torch.zeros_like(some(streams[asking][1]))
            for asked in self.names:
                if asked != asking:
                    mask = streams[asked][1]
                    attention = self.attentions[f"{asking}_asks_{asked}"]
                    answer: Tensor = attention(first, keys[asked], mask)  # I_{i→j}
                    product = torch.where(some(mask), product * answer, product)
                    heard = heard | some(mask)
            products.append(product * heard.to(product.dtype))
        return FusionOutput(self.output(torch.cat(products, dim=2)))


@register_model("sse_ft", dataclass=AttentionConfig)
class SSEFT(AffectModel):
    """Any number of modalities; n(n − 1) attentions."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return FirstPositionFusion(shape, check_width(cfg), cfg.fusion_heads, cfg.dropout)
