"""TCM-LSTM: an LSTM an auxiliary over the words, each of which may be enhanced, or be left alone.

Mai and Xing, Analyzing multimodal sentiment via acoustic- and visual-LSTM with channel-aware
temporal convolution network, IEEE/ACM TASLP 29, 2021 (the paper's ref. [25]). With X_m the
sequence of modality m, σ the logistic function, and a the auxiliary at the words' places:

    C_m = ReLU(Conv(X_m)) ⊙ σ(S₂ ReLU(S₁ mean over time))     channel-aware temporal convolution
    e_t = tanh(E [x_t : a_t])                                  the word, enhanced
    (u_t, w_t) = sparsemax(q [x_t : a_t])                      alone and enhanced; one may be 0
    h = LSTM over u_t x_t + w_t e_t
    M_fused = V [h at the summaries : h at the end, for all auxiliaries] + v

Different here: the choice reads the step's own vectors, theirs the state before it as well, so
that torch's own LSTM runs; one convolution of width 3, theirs are stacked and dilated; auxiliaries
are aligned to words by position. Sparsemax is Martins and Astudillo's (ICML 2016), whose zeros
say that enhancement is not conducted. A missing auxiliary's LSTM gives zeros, and so do all
without the main modality.

The equations are from memory and the paper's abstract; nobody has checked them against its full
text.

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
from mia_fairseq.modules.masked_attention import masked_mean, some
from mia_fairseq.modules.projection import Projections


def sparsemax(scores: Tensor) -> Tensor:
    """(..., k) → (..., k): the nearest point of the simplex to the scores; sums to 1."""
    ordered = scores.sort(dim=-1, descending=True).values
    ranks = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    sums = ordered.cumsum(dim=-1)
    support = (1 + ranks * ordered > sums).sum(dim=-1, keepdim=True)  # how many are not 0
    threshold = (sums.gather(-1, support - 1) - 1) / support.to(scores.dtype)
    return (scores - threshold).clamp(min=0)


class ChannelAwareConvolution(nn.Module):
    """A convolution over time, whose channels are weighed by what the whole sequence holds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, 3, padding=1)
        self.squeeze, self.excite = nn.Linear(width, width), nn.Linear(width, width)  # S₁, S₂

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L, p) → (B, L, p), zeros outside the mask (B, L)."""
        found = torch.relu(self.convolution(tokens.mT).mT) * mask[..., None].to(tokens.dtype)
        whole = torch.relu(self.squeeze(masked_mean(found, mask)))
        gates: Tensor = torch.sigmoid(self.excite(whole))  # (B, p)
        return found * gates[:, None]


class EnhancedLSTM(nn.Module):
    """An LSTM over words that one auxiliary may enhance."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enhance = nn.Linear(2 * width, width)  # E
        self.choice = nn.Linear(2 * width, 2)  # q
        self.lstm = nn.LSTM(width, width, batch_first=True)

    def forward(self, words: Tensor, auxiliary: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, p) both → states (B, L, p), and the weight w (B, L) of enhanced words."""
        both = torch.cat([words, auxiliary], dim=2)
        weights = sparsemax(self.choice(both))
        mixed = weights[..., :1] * words + weights[..., 1:] * torch.tanh(self.enhance(both))
        return self.lstm(mixed)[0], weights[..., 1]


class TemporalConvolutionFusion(Fusion):
    """Convolutions, then one enhanced LSTM an auxiliary; width p."""

    def __init__(self, shape: FusionShape, width: int) -> None:
        super().__init__()
        dims = used(shape)
        self.main, self.channels = shape.main, shape.channels
        self.projections = Projections(dims, width)
        self.convolutions = nn.ModuleDict({name: ChannelAwareConvolution(width) for name in dims})
        self.lstms = nn.ModuleDict({name: EnhancedLSTM(width) for name in shape.auxiliaries})
        self.output = nn.Linear(2 * len(self.lstms) * width, shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        streams = {
            name: (self.convolutions[name](*stream), stream[1])
            for name, stream in summary_streams(self.projections, inputs).items()
        }
        tokens, mask = aligned_streams(streams, self.main, self.channels)
        last = (mask.sum(dim=1) - 1).clamp(min=0)  # (B,) the last step of each row
        blocks, parts = [], {}
        for name, lstm in self.lstms.items():
            states, enhanced = lstm(tokens[self.main], tokens[name])
            there = some(streams[name][1]) & some(mask)
            end = states[torch.arange(last.shape[0], device=last.device), last]
            summaries = states[:, : self.channels]
            found = torch.cat([summaries, end[:, None].expand_as(summaries)], dim=2)
            blocks.append(found * there.to(found.dtype))
            parts[f"enhanced/{name}"] = masked_mean(enhanced[..., None], mask)[:, 0]
        return FusionOutput(self.output(torch.cat(blocks, dim=2)), parts=parts)


@register_model("tcm_lstm", dataclass=WidthConfig)
class TCMLSTM(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return TemporalConvolutionFusion(shape, check_width(cfg))
