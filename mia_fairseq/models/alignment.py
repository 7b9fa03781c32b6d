"""Brings one modality's sequence to the steps of another one, by position.

B batch, T and S the longest sequences, d the dim of what is aligned.
"""

import torch
from torch import Tensor


def aligned(sequence: Tensor, mask: Tensor, steps: Tensor) -> Tensor:
    """(B, S, d) → (B, T, d): each step takes the mean of the items at its place.

    With n items and t steps, step i of a row covers the items from ⌊i·n/t⌋ up to, but not
    including, ⌈(i + 1)·n/t⌉. Zeros behind the last step and where there is nothing to align.

    Args:
        sequence: (B, S, d), zeros outside its mask.
        mask: (B, S) of it, True from the start on.
        steps: (B, T) mask of the sequence to align with.
    """
    items, total = mask.sum(dim=1)[:, None], steps.sum(dim=1).clamp(min=1)[:, None]
    step = torch.arange(steps.shape[1], device=steps.device)
    start = step * items // total  # (B, T)
    end = ((step + 1) * items + total - 1) // total
    place = torch.arange(sequence.shape[1], device=steps.device)
    covered = (place >= start[..., None]) & (place < end[..., None])  # (B, T, S)
    weights = (covered & steps[..., None]).to(sequence.dtype)
    return (weights / weights.sum(dim=2, keepdim=True).clamp(min=1)) @ sequence
