"""A further modality made of another one by a fully-connected layer (Sec. 4.4, Table 7)."""

from torch import Tensor, nn

from mia_fairseq.encoders.encoder import inside
from mia_fairseq.encoders.feature_encoder import FeatureEncoder


class LinearCopyEncoder(FeatureEncoder):
    """Normalises the features of another modality and maps them, d → d; the map is learned.

    With adapters on, an adapter follows as it does for every modality; without them (the bare
    paper) this map is what tells the copy from its source.

    Args:
        dim: d.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.linear = nn.Linear(dim, dim)

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, d) → (B, T, d), zeros behind each length (B,)."""
        mapped: Tensor = self.linear(super().forward(sequence, lengths))
        return mapped * self.inside(sequence, lengths)


class EncodedCopy(nn.Module):
    """The same of what another modality's encoder gives, which needs no normalisation.

    Args:
        dim: d.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, d) → (B, T, d), zeros behind each length (B,)."""
        mapped: Tensor = self.linear(sequence)
        return mapped * inside(lengths, sequence.shape[1])[..., None].to(mapped.dtype)
