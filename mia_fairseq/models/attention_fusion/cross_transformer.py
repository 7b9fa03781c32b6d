"""Cross-modal Transformers between all ordered pairs of modalities (MulT), on the sequences.

Tsai et al., Multimodal Transformer for unaligned multimodal language sequences, ACL 2019. With
X_m the projected sequence of modality m, any length, and positions added:

    Z_{β→α} = CrossModal_{β→α}(X_α, X_β)                  Eq. 4: α asks, β answers, layer by layer
    Z_α = Transformer_α([Z_{β→α} for all β ≠ α])          Sec. 3.3: (n − 1)·p wide
    M_fused = V [summary of Z_α for all α] + v

Different here: their summary is the last element of Z_α; ours are c tokens put in front of each
sequence, the adapted means of its c segments, where Z_α is then read, so that each channel has
its own and padding does not matter. Their convolution over time has width 1. A missing source β
gives Z_{β→α} = 0, a missing target gives Z_α = 0; padding is never a key.

B batch, T time, c channels, n modalities, p width.
"""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.fusion_settings import (
    TransformerConfig,
    check_width,
    transformer_settings,
    used,
)
from mia_fairseq.models.modality_streams import summary_streams
from mia_fairseq.modules.masked_attention import CrossModalTransformer, MaskedTransformer, some
from mia_fairseq.modules.positions import sinusoids
from mia_fairseq.modules.projection import Projections


class CrossModalFusion(Fusion):
    """n(n − 1) cross-modal Transformers, then one self-attending Transformer a modality.

    Args:
        shape: the modalities.
        width: p.
        layers, heads, dropout: of every Transformer.
    """

    def __init__(
        self, shape: FusionShape, width: int, *, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        dims = used(shape)
        others = len(dims) - 1
        self.names, self.channels = tuple(dims), shape.channels
        self.projections = Projections(dims, width)
        self.crossings = nn.ModuleDict(
            {
                _key(source, target): CrossModalTransformer(width, layers, heads, dropout)
                for target, source in permutations(dims, 2)
            }
        )
        self.memories = nn.ModuleDict(
            {name: MaskedTransformer(others * width, layers, heads, dropout) for name in dims}
        )
        self.output = nn.Linear(len(dims) * others * width, shape.dims[shape.main])

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        streams = {
            name: (tokens + sinusoids(tokens), mask)
            for name, (tokens, mask) in summary_streams(self.projections, inputs).items()
        }
        summaries = []
        for target in self.names:
            tokens, mask = streams[target]
            attended = [
                self._cross(source, target, tokens, *streams[source])
                for source in self.names
                if source != target
            ]
            joined = torch.cat(attended, dim=2)
            summaries.append(self.memories[target](joined, mask, first=self.channels))  # of Z_α
        return FusionOutput(self.output(torch.cat(summaries, dim=2)))

    def _cross(
        self, source: str, target: str, asking: Tensor, tokens: Tensor, mask: Tensor
    ) -> Tensor:
        """Z_{β→α}, (B, c + T_α, p); zeros where the source is missing."""
        attended: Tensor = self.crossings[_key(source, target)](asking, tokens, mask)
        return attended * some(mask).to(attended.dtype)


def _key(source: str, target: str) -> str:
    return f"{source}_to_{target}"


@register_model("cross_transformer", dataclass=TransformerConfig)
class CrossTransformer(AffectModel):
    """Any number of modalities, at a cost that grows with their square and beyond."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return CrossModalFusion(shape, check_width(cfg), **transformer_settings(cfg))
