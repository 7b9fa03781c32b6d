"""Features that were extracted beforehand: nothing to encode but their scale.

B batch, T time, d the modality's dim.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mia_fairseq.data.statistics import column_moments
from mia_fairseq.encoders.encoder import inside


class FeatureEncoder(nn.Module):
    """Subtracts the training split's mean and divides by its deviation, column by column.

    The statistics are buffers, so a checkpoint carries them. Until `fit` is called the encoder
    is the identity.

    Args:
        dim: d.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.output_dim = dim
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit(self, chunks: Iterable[NDArray[Any]]) -> None:
        """Takes the statistics from all vectors of the training split.

        A column that does not vary keeps its unit.

        Args:
            chunks: arrays (n_i, d), together all vectors, in any fixed division.
        """
        mean, scale = column_statistics(chunks, self.output_dim)
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, d) → (B, T, d), zeros behind each length (B,)."""
        normalized = (sequence - self.mean) / self.scale
        return normalized * self.inside(sequence, lengths)

    @staticmethod
    def inside(sequence: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, 1): 1 up to each length (B,), 0 behind it."""
        return inside(lengths, sequence.shape[1])[..., None].to(sequence.dtype)


def column_statistics(
    chunks: Iterable[NDArray[Any]], dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column, (d,) both.

    The deviation is 1 for columns that do not vary, and for no vectors at all.
    """
    mean, deviation = column_moments(chunks, dim)
    return mean, np.where(deviation > 0, deviation, 1.0)
