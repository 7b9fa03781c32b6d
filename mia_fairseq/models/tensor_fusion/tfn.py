"""Tensor Fusion Network: the outer product of all modalities.

Zadeh et al., Tensor Fusion Network for multimodal sentiment analysis, EMNLP 2017.

    h_m = ReLU(P_m x_m)                                   modality embedding, width p
    Z = [h_1; 1] ⊗ [h_2; 1] ⊗ … ⊗ [h_n; 1]                 tensor fusion, (p + 1)ⁿ entries
    M_fused = V₂ ReLU(V₁ vec(Z) + v₁) + v₂                inference sub-network, width 128

In each channel, with the same weights. Different here: the embeddings are one map each behind
encoders and adapters, not LSTM and three layers; one width p for all modalities; one hidden
layer. A missing modality is h = 0, so that Z holds the product of the others, from the constant 1.

B batch, c channels, n modalities, p width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import rows_there, used
from mia_fairseq.modules.projection import Projections

HIDDEN = 128  # of the inference sub-network, Sec. 4.3 of Zadeh et al.
PRACTICAL_ENTRIES = 2**16  # the product's size that p is chosen for when it is not given
MOST_ENTRIES = 2**20  # 134 million weights behind it


@dataclass
class TFNConfig(AffectModelConfig):
    """Settings of tfn."""

    tfn_dim: int = setting(
        0,
        "p, width of each modality in the outer product of (p + 1)^n entries; 0 "
        "chooses the largest up to 32 that keeps the product at 65,536 entries",
    )


def product_width(modalities: int, chosen: int) -> int:
    """p of the outer product.

    Raises:
        InputError: the product would be absurdly large, or p is negative.
    """
    largest = 32
    while (largest + 1) ** modalities > PRACTICAL_ENTRIES and largest > 1:
        largest -= 1
    if chosen < 0:
        raise InputError(f"--tfn-dim is {chosen}, expected a width, or 0 to have one chosen")
    entries = ((chosen or largest) + 1) ** modalities
    if entries > MOST_ENTRIES:
        raise InputError(
            f"--arch tfn: the outer product of {modalities} modalities of width "
            f"{chosen or largest} has {entries:,} entries and {entries * HIDDEN:,} weights behind "
            f"it, expected at most {MOST_ENTRIES:,} entries; give --tfn-dim {largest}, or fewer "
            "modalities, or use --arch lmf"
        )
    return chosen or largest


def outer_product(vectors: Sequence[Tensor]) -> Tensor:
    """vec([h_1; 1] ⊗ … ⊗ [h_n; 1]): (B, c, p) each → (B, c, (p + 1)ⁿ), the last index fastest."""
    product = _extended(vectors[0])
    for vector in vectors[1:]:
        product = (product[..., :, None] * _extended(vector)[..., None, :]).flatten(2)
    return product


def map_of_product(linear: nn.Linear, vectors: Sequence[Tensor]) -> Tensor:
    """V₁ vec(Z) + v₁, (B, c, H), without Z in memory: the last vector is multiplied last.

    The operations are as many. At 1,024 rows of three modalities with p = 32, forward and backward
    take a third of the time that they take through Z, which is 147 MB.

    Args:
        linear: from the product's (p + 1)ⁿ entries to H.
        vectors: two or more, (B, c, p) each.
    """
    *early, last = vectors
    product = outer_product(early)  # (B, c, q)
    weight = linear.weight.view(linear.out_features, product.shape[2], -1)  # (H, q, p + 1)
    partial = product @ weight.transpose(0, 1).flatten(1)
    by_entry = partial.unflatten(2, (linear.out_features, -1))  # (B, c, H, p + 1)
    return (by_entry @ _extended(last)[..., None]).squeeze(3) + linear.bias


def _extended(vector: Tensor) -> Tensor:
    """[h; 1]."""
    return torch.cat([vector, torch.ones_like(vector[..., :1])], dim=2)


class TensorFusion(Fusion):
    """The outer product of widths p, and the network behind it."""

    def __init__(self, shape: FusionShape, width: int) -> None:
        super().__init__()
        dims = used(shape)
        self.embeddings = Projections(dims, width)
        self.inference = nn.Sequential(
            nn.Linear((width + 1) ** len(dims), HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, shape.dims[shape.main]),
        )

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        embedded = list(map(torch.relu, self.embeddings(*rows_there(inputs)).values()))
        hidden = map_of_product(cast(nn.Linear, self.inference[0]), embedded)
        return FusionOutput(self.inference[1:](hidden))


@register_model("tfn", dataclass=TFNConfig)
class TFN(AffectModel):
    """As many modalities as the product allows: up to five with at least width 8."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return TensorFusion(shape, product_width(len(used(shape)), cfg.tfn_dim))
