"""Vectors that are kept of every training row, in the checkpoint.

n training rows, B batch, p width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class RowMemory(nn.Module):
    """A vector and a count of visits for each row of the training split.

    Both are buffers: a checkpoint holds them, so a killed run goes on where it stopped, and they
    take whatever size a checkpoint has. Before `resize` there are no rows.

    Args:
        width: p.
    """

    vectors: Tensor  # (n, p)
    visits: Tensor  # (n,) how often each row was written

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(0, width))
        self.register_buffer("visits", torch.zeros(0, dtype=torch.long))

    def resize(self, rows: int) -> None:
        """Makes room for n rows, all zeros."""
        self.vectors = self.vectors.new_zeros(rows, self.vectors.shape[1])
        self.visits = self.visits.new_zeros(rows)

    def write(self, rows: Tensor, vectors: Tensor) -> None:
        """Keeps (B, p) vectors of rows (B,); on several processes all keep those of all."""
        kept = vectors.detach().to(self.vectors.dtype)
        for places, found in gathered(rows, kept):
            self.vectors[places] = found
            self.visits[places] += 1

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        saved = state_dict.get(f"{prefix}visits")
        if saved is not None and len(saved) != len(self.visits):
            self.resize(len(saved))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def resize_memories(module: nn.Module, rows: int) -> None:
    """Makes room for n training rows in all memories inside a module."""
    for part in module.modules():
        if isinstance(part, RowMemory):
            part.resize(rows)


def memories(module: nn.Module) -> set[str]:
    """The names of all buffers of memories inside a module, as its state has them."""
    inside = {name: part for name, part in module.named_modules() if isinstance(part, RowMemory)}
    return {f"{name}.{buffer}" for name, part in inside.items() for buffer in part.state_dict()}


def gathered(rows: Tensor, vectors: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Rows and vectors of every process, in the order of ranks; of this one where it is alone."""
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return [(rows, vectors)]
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, (rows.cpu(), vectors.cpu()))
    return [(one.to(rows.device), other.to(vectors.device)) for one, other in found]
