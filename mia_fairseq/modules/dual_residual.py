"""Eq. 11-12: one residual connection around the fusion, a second around a feed-forward network.

B batch, c channels, d_m main dim.
"""

from torch import Tensor, nn


class DualResidual(nn.Module):
    """M̌ = M_res + FFN(M_res) with M_res = M¹ + M_MIAs.

    The paper says no more of f_FFN than its name. Ours is the Transformer's, which it cites: two
    linear maps with a ReLU between, applied to each channel.

    Args:
        dim: d_m.
        ffn_dim: width of the hidden layer.
        dropout: share of hidden units dropped in training.
    """

    def __init__(self, dim: int, ffn_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.ffn = nn.Sequential(
            nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(ffn_dim, dim)
        )

    def forward(self, main: Tensor, fused: Tensor) -> Tensor:
        """M̌ (B, c, d_m) from M¹ and M_MIAs, both (B, c, d_m)."""
        residual = main + fused  # M_res, Eq. 11
        output: Tensor = residual + self.ffn(residual)  # M̌, Eq. 12
        return output
