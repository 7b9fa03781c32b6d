"""MISA: each modality once in a shared space and once in a space of its own.

Hazarika et al., MISA: Modality-invariant and -specific representations for multimodal sentiment
analysis, ACM Multimedia 2020. With u_m the projected rows of modality m:

    h_m^c = E_c(u_m),  h_m^p = E_p^m(u_m)                 Eq. 1-2: one shared encoder, n private
    û_m = D(h_m^c + h_m^p)                                the shared decoder
    M_fused = V [Transformer([h_m^c, h_m^p for all m])] + v       Sec. 3.4, read at all 2n vectors
    penalty = s L_sim + d L_diff + r L_recon

L_sim (Eq. 6) is the mean CMD of the shared vectors over pairs of modalities, K = 5; L_diff
(Eq. 9) the orthogonality of shared and private vectors of a modality and of private vectors of
each pair; L_recon (Eq. 10) the mean squared error of û_m. Their weights α, β, γ are the settings
s, d, r here, and the criterion multiplies the penalty by --gamma, and the task's loss by
1 − --gamma, once more. Different here: L_diff is a mean over pairs of rows where theirs is a
sum, and rows of a missing modality take part in no loss; the c rows of an utterance count as rows
of the batch; no label takes part.

B batch, c channels, n modalities, p width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import (
    AttentionConfig,
    at_least,
    check_width,
    rows_there,
    used,
)
from mia_fairseq.models.representation.representation_losses import (
    central_moment_discrepancy,
    orthogonality_loss,
)
from mia_fairseq.modules.masked_attention import MaskedTransformer
from mia_fairseq.modules.projection import Projections


@dataclass
class MISAConfig(AttentionConfig):
    """Settings of misa."""

    misa_similarity: float = setting(1.0, "s, weight of L_sim; --gamma weighs all three once more")
    misa_difference: float = setting(0.3, "d, weight of L_diff; --gamma weighs all three once more")
    misa_reconstruction: float = setting(
        1.0, "r, weight of L_recon; --gamma weighs all three once more"
    )


class Spaces(NamedTuple):
    """One modality's vectors, (B, c, p) each, and (B,) where it is there."""

    given: Tensor  # u
    shared: Tensor  # h^c, values in [0, 1]
    private: Tensor  # h^p, values in [0, 1]
    rebuilt: Tensor  # û
    there: Tensor


class MISAFusion(Fusion):
    """Shared and private encoders, a decoder, and a Transformer over all 2n vectors.

    Args:
        shape: the modalities.
        width: p.
        heads, dropout: of the Transformer, which has one layer.
        weights: of similarity, difference and reconstruction.
    """

    penalizes_rows: ClassVar[bool] = True

    def __init__(
        self,
        shape: FusionShape,
        width: int,
        *,
        heads: int,
        dropout: float,
        weights: tuple[float, float, float],
    ) -> None:
        super().__init__()
        dims = used(shape)
        self.weights = weights
        self.projections = Projections(dims, width)
        self.shared = nn.Sequential(nn.Linear(width, width), nn.Sigmoid())  # E_c
        self.private = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(width, width), nn.Sigmoid()) for name in dims}
        )  # E_p
        self.decoder = nn.Linear(width, width)  # D
        self.transformer = MaskedTransformer(width, 1, heads, dropout)
        self.output = nn.Linear(2 * len(dims) * width, shape.dims[shape.main])

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        rows, there = rows_there(inputs)
        spaces = [self._split(name, rows[name], there[name]) for name in self.projections]
        # Each channel's 2n vectors are tokens of a sequence of their own: (B·c, 2n, p).
        vectors = [vector for s in spaces for vector in (s.shared, s.private)]
        tokens = torch.stack(vectors, dim=2).flatten(0, 1)
        mask = torch.stack([s.there for s in spaces for _ in range(2)], dim=1)
        mask = mask.repeat_interleave(len(tokens) // len(mask), dim=0)
        mixed = self.transformer(tokens, mask) * mask[..., None].to(tokens.dtype)
        fused = self.output(mixed.flatten(1)).unflatten(0, spaces[0].given.shape[:2])
        return FusionOutput(fused, self.penalty(spaces))

    def _split(self, name: str, rows: Tensor, there: Tensor) -> Spaces:
        given = self.projections[name](rows, there)
        shared, private = self.shared(given), self.private[name](given)
        return Spaces(given, shared, private, self.decoder(shared + private), there)

    def penalty(self, spaces: Sequence[Spaces]) -> Tensor:
        """s L_sim + d L_diff + r L_recon; a scalar."""
        found = [_present_rows(space) for space in spaces]
        difference = [orthogonality_loss(x.shared, x.private) for x in found if len(x.given)]
        rebuilding = [(x.given - x.rebuilt).square().mean() for x in found if len(x.given)]
        similarity = []
        for one, other in combinations(spaces, 2):
            both = one.there & other.there
            if both.any():
                x, y = (_present_rows(space._replace(there=both)) for space in (one, other))
                similarity.append(central_moment_discrepancy(x.shared, y.shared))
                difference.append(orthogonality_loss(x.private, y.private))
        losses = (_mean(similarity), _sum(difference), _mean(rebuilding))
        terms = [w * loss for w, loss in zip(self.weights, losses, strict=True) if loss is not None]
        return torch.stack(terms).sum() if terms else spaces[0].given.new_zeros(())


def _present_rows(space: Spaces) -> Spaces:
    """The vectors of rows that have the modality, (rows·c, p) each."""
    given, shared, private, rebuilt = (v[space.there].flatten(0, 1) for v in space[:4])
    return Spaces(given, shared, private, rebuilt, space.there)


def _sum(terms: Sequence[Tensor]) -> Tensor | None:
    return torch.stack(list(terms)).sum() if terms else None


def _mean(terms: Sequence[Tensor]) -> Tensor | None:
    return torch.stack(list(terms)).mean() if terms else None


@register_model("misa", dataclass=MISAConfig)
class MISA(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        names = ("misa_similarity", "misa_difference", "misa_reconstruction")
        return MISAFusion(
            shape,
            check_width(cfg),
            heads=cfg.fusion_heads,
            dropout=cfg.dropout,
            weights=at_least(0, cfg, *names),
        )
