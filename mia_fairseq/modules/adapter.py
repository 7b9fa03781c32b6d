"""From a modality's sequence to the c × d matrix that fusion works on.

B batch, T time, d the modality's dim, c channels.
"""

import torch
from torch import Tensor, nn


def segment_means(sequence: Tensor, lengths: Tensor, segments: int) -> Tensor:
    """Means of equal parts of each sequence: adaptive average pooling that respects lengths.

    Part k of a sequence of length n covers the vectors from ⌊k·n/segments⌋ up to, but not
    including, ⌈(k + 1)·n/segments⌉; a sequence shorter than that repeats vectors.

    Args:
        sequence: (B, T, d), padded behind each length.
        lengths: (B,) whole numbers from 0 to T.
        segments: how many parts there are.

    Returns:
        (B, segments, d); zeros where the length is 0.
    """
    if sequence.shape[1] == 1:
        there = (lengths > 0).to(sequence)[:, None, None]
        return (sequence * there).expand(-1, segments, -1)
    part = torch.arange(segments, device=sequence.device)
    n = lengths.to(sequence.device)[:, None]
    start = part * n // segments  # (B, segments)
    end = ((part + 1) * n + segments - 1) // segments
    time = torch.arange(sequence.shape[1], device=sequence.device)
    inside = (time >= start[..., None]) & (time < end[..., None])  # (B, segments, T)
    weights = inside.to(sequence.dtype) / (end - start).clamp(min=1)[..., None]
    return weights.to(sequence.dtype) @ sequence


class Adapter(nn.Module):
    """A learned linear map of one modality, d → c·d: each channel has a map of its own.

    Attention does not see which column a value sits in (permuting an auxiliary's columns changes
    nothing), so frozen features need a map in front that can put meaning into values. The paper,
    whose encoders learn, has none.
    """

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.channels, self.dim = channels, dim
        self.linear = nn.Linear(dim, channels * dim)

    def forward(self, segments: Tensor) -> Tensor:
        """(B, c, d) → (B, c, d): channel k of the output is map k of segment k."""
        if self.channels == 1:
            mapped: Tensor = self.linear(segments)
            return mapped
        weight = self.linear.weight.view(self.channels, self.dim, self.dim)
        bias = self.linear.bias.view(self.channels, self.dim, 1)
        # Maps times columns: in this order the weight's gradient comes out as the weight lies.
        return torch.baddbmm(bias, weight, segments.permute(1, 2, 0)).permute(2, 0, 1)
