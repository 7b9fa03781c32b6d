"""Bi-Bimodal Fusion Network: the main modality and each auxiliary complement each other, by gates.

Han et al., Bi-bimodal modality fusion for correlation-controlled multimodal sentiment analysis,
ICMI 2021 (the paper's ref. [56]), Sec. 3.3. For each pair of main X and auxiliary Y, in each layer,
with h = [mean of X : mean of Y] and σ the logistic function:

    g_r = σ(W_r h + b_r),  g_c = σ(W_c h + b_c)           retain and compound gate
    X̂ = g_c ⊙ MultiHead(LN(X), LN(Y)) + g_r ⊙ X           X asks, Y answers; the same the other way
    X ← X̂ + FFN(LN(X̂))
    L_sep = mean of BCE(D(mean of X), 0) and BCE(D(mean of Y), 1)     layer's separator D
    M_fused = V [X : Y for all pairs, at the summaries] + v,  penalty = s · mean of L_sep

Different here: any number of auxiliaries, theirs are two; their separator encodes the deeper
layers by a GRU before it averages, ours averages at once; they read the first token, ours are c
summaries in front. A pair whose auxiliary is missing is zeros, and so are the main modality's
parts where it is missing itself.

B batch, T time, c channels, p width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import (
    TransformerConfig,
    at_least,
    check_width,
    transformer_settings,
    used,
)
from mia_fairseq.models.modality_streams import Stream, summary_streams
from mia_fairseq.modules.masked_attention import attend, masked_mean, some
from mia_fairseq.modules.positions import sinusoids
from mia_fairseq.modules.projection import Projections


@dataclass
class BBFNConfig(TransformerConfig):
    """Settings of bbfn."""

    bbfn_separability: float = setting(0.1, "s, weight of L_sep; --gamma weighs it once more")


class GatedLayer(nn.Module):
    """One side of a complementation layer; returns (B, Q, p) and the compound gate (B, p)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.retain = nn.Linear(2 * width, width)  # W_r, b_r
        self.compound = nn.Linear(2 * width, width)  # W_c, b_c
        self.target_norm, self.source_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.ffn = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )

    def forward(
        self, target: Tensor, source: Tensor, source_mask: Tensor, control: Tensor
    ) -> tuple[Tensor, Tensor]:
        query, source = self.target_norm(target), self.source_norm(source)
        answer = self.dropout(attend(self.attention, query, source, source_mask))
        gate = torch.sigmoid(self.compound(control))  # g_c
        retained = torch.sigmoid(self.retain(control))[:, None] * target
        mixed = gate[:, None] * answer + retained  # X̂, (B, Q, p)
        return mixed + self.dropout(self.ffn(mixed)), gate


class PairOutput(NamedTuple):
    """What a pair's layers make of main and auxiliary."""

    main: Tensor  # (B, c + T, p)
    auxiliary: Tensor  # (B, c + S, p)
    separability: Tensor | None  # L_sep, None where no row has both
    gate: Tensor  # (B,) the last compound gate towards the main modality, its mean


class ComplementedPair(nn.Module):
    """The complementation layers of one pair, both ways, with a separator each."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        sides = [[GatedLayer(width, heads, dropout) for _ in range(layers)] for _ in range(2)]
        self.to_main, self.to_auxiliary = map(nn.ModuleList, sides)
        self.separators = nn.ModuleList([nn.Linear(width, 1) for _ in range(layers)])  # D

    def forward(self, main: Stream, auxiliary: Stream) -> PairOutput:
        (x, x_mask), (y, y_mask) = main, auxiliary
        both = x_mask.any(dim=1) & y_mask.any(dim=1)
        losses = []
        for to_main, to_auxiliary, separator in zip(
            self.to_main, self.to_auxiliary, self.separators, strict=True
        ):
            means = masked_mean(x, x_mask), masked_mean(y, y_mask)  # (B, p) each
            if both.any():
                losses.append(separability(separator, means[0][both], means[1][both]))
            control = torch.cat(means, dim=1)  # h
            attended, gate = to_main(x, y, y_mask, control)
            y, _ = to_auxiliary(y, x, x_mask, control)
            x = attended
        found = torch.stack(losses).mean() if losses else None
        return PairOutput(x, y, found, gate.mean(dim=1))


def separability(separator: nn.Module, main: Tensor, auxiliary: Tensor) -> Tensor:
    """L_sep of one layer: the mean cross-entropy of telling the two modalities apart.

    Args:
        separator: the classifier, p to one logit.
        main: (N, p).
        auxiliary: (N, p).
    """
    logits = separator(torch.cat([main, auxiliary])).squeeze(1)
    truth = torch.cat([torch.zeros_like(main[:, 0]), torch.ones_like(auxiliary[:, 0])])
    return F.binary_cross_entropy_with_logits(logits, truth)


class BBFNFusion(Fusion):
    """One complemented pair an auxiliary, through one linear map.

    Args:
        shape: the modalities.
        width: p.
        weight: s, of L_sep.
        transformer: layers, heads and dropout of each pair.
    """

    penalizes_rows: ClassVar[bool] = True

    def __init__(self, shape: FusionShape, width: int, weight: float, **transformer: Any) -> None:
        super().__init__()
        self.main, self.channels, self.weight = shape.main, shape.channels, weight
        self.projections = Projections(used(shape), width)
        self.pairs = nn.ModuleDict(
            {name: ComplementedPair(width, **transformer) for name in shape.auxiliaries}
        )
        self.output = nn.Linear(2 * len(self.pairs) * width, shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        streams = {
            name: (tokens + sinusoids(tokens), mask)
            for name, (tokens, mask) in summary_streams(self.projections, inputs).items()
        }
        heads, losses, gates = [], [], {}
        for name, pair in self.pairs.items():
            found: PairOutput = pair(streams[self.main], streams[name])
            there = some(streams[name][1]).to(found.main.dtype)
            main_there = some(streams[self.main][1]).to(there.dtype)
            heads += [found.main[:, : self.channels] * there * main_there]
            heads += [found.auxiliary[:, : self.channels] * there]
            losses += [] if found.separability is None else [found.separability]
            gates[f"compound_gate/{name}"] = found.gate
        fused = self.output(torch.cat(heads, dim=2))
        penalty = self.weight * torch.stack(losses).mean() if losses else fused.new_zeros(())
        return FusionOutput(fused, penalty, gates)


@register_model("bbfn", dataclass=BBFNConfig)
class BBFN(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        (weight,) = at_least(0, cfg, "bbfn_separability")
        return BBFNFusion(shape, check_width(cfg), weight, **transformer_settings(cfg))
