"""CM-BERT: what is heard changes how much each word weighs, by masked multimodal attention.

Yang, Xu and Gao, CM-BERT: Cross-modal BERT for text-audio sentiment analysis, ACM Multimedia 2020
(the paper's ref. [51]), Sec. 3.3. With X the words' vectors and A_k auxiliary k at the same words,
both of width p:

    α_m = ReLU(X_m X_mᵀ) / √p                   of text and of each auxiliary, (L, L)
    W = softmax(w_text α_text + Σ_k w_k α_k + b)     over words inside the mask
    Y = LN(W X + X)                              residual
    M_fused = V Y + v,  read at the summaries

Different here: any number of auxiliaries, theirs is audio alone; one p for all, where they scale
both by the root of a norm; c summaries stand in for their first token. Their audio is aligned to
words by a forced aligner; here alignment is by position (see `aligned`), which is theirs where both
sequences are one vector a word: MMSA's aligned files, and ``.csd`` files read by their words. Of
other DATA it is an approximation, since DATA holds no times of words. A missing auxiliary has α =
0; without the main modality there is nothing to weigh, and nothing comes out.

B batch, L = c + T steps of the main modality, c channels, p width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.fusion_settings import WidthConfig, check_width, used
from mia_fairseq.models.modality_streams import aligned_streams, summary_streams
from mia_fairseq.modules.masked_attention import padding_of, some
from mia_fairseq.modules.projection import Projections


class MaskedMultimodalAttention(Fusion):
    """Attention over the main modality, whose weights all modalities decide; width p."""

    def __init__(self, shape: FusionShape, width: int) -> None:
        super().__init__()
        dims = used(shape)
        self.main, self.channels, self.width = shape.main, shape.channels, width
        self.projections = Projections(dims, width)
        self.weights = nn.Parameter(torch.ones(len(dims)))  # w, in the order of modalities
        self.bias = nn.Parameter(torch.zeros(width))  # b, see `attention_weights`
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        streams = summary_streams(self.projections, inputs)
        tokens, mask = aligned_streams(streams, self.main, self.channels)
        words = tokens[self.main]
        weights = self.attention_weights(tokens, mask)  # W
        weighed = self.norm(weights @ words + words)  # Y, (B, L, p)
        summaries = weighed[:, : self.channels] * some(mask).to(words.dtype)
        asked = weights[:, : self.channels].mean(dim=1, keepdim=True)  # (B, 1, L)
        return FusionOutput(self.output(summaries), parts={"word_weights": asked})

    def attention_weights(self, tokens: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """W (B, L, L), rows that sum to 1 over the mask (B, L).

        A number b added to all scores of a softmax changes nothing; b is a vector that words are
        compared with, so that it can.
        """
        main = tokens[self.main]
        scores = (main @ self.bias)[:, None]  # (B, 1, L)
        for weight, name in zip(self.weights, self.projections, strict=True):
            vectors = tokens[name]
            scores = scores + weight * torch.relu(vectors @ vectors.mT) / self.width**0.5
        closed = padding_of(mask)[:, None]
        return torch.softmax(scores.masked_fill(closed, float("-inf")), dim=2)


@register_model("cm_bert", dataclass=WidthConfig)
class CMBERT(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return MaskedMultimodalAttention(shape, check_width(cfg))
