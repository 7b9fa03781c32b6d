"""A linear map to a common width that makes nothing out of a missing modality.

B batch, c channels or steps, d the modality's dim, p the common width.
"""

from collections.abc import Mapping

from torch import Tensor, nn


class Projection(nn.Module):
    """x ↦ W x + b where the modality is there, and zeros, not b, where it is missing.

    Args:
        dim: d.
        width: p.
    """

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, width)

    def forward(self, vectors: Tensor, inside: Tensor) -> Tensor:
        """(B, c, d) → (B, c, p).

        Args:
            vectors: (B, c, d).
            inside: True where there is data, (B,) for whole rows or (B, c) for single vectors.
        """
        kept = inside.view(*inside.shape, *(1,) * (vectors.ndim - inside.ndim))
        output: Tensor = self.linear(vectors) * kept.to(vectors.dtype)
        return output


class Projections(nn.ModuleDict):
    """A `Projection` of each modality to one width.

    Args:
        dims: d of each modality.
        width: p.
    """

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__({name: Projection(dim, width) for name, dim in dims.items()})

    def forward(
        self, vectors: Mapping[str, Tensor], inside: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """(B, c, d) → (B, c, p) of each modality, zeros where it is missing."""
        return {name: map_(vectors[name], inside[name]) for name, map_ in self.items()}


def present(mask: Tensor) -> Tensor:
    """(B, T) → (B,): True for rows that have the modality at all."""
    return mask.any(dim=1)
