"""Token rows through an encoder in batches, so that a row's bits do not depend on its neighbours.

Padding to another length means other matrix shapes, hence other rounding. So a row is padded to
the next multiple of 16 tokens, whatever else is there, and a batch holds rows of one padded length
only. With one thread (`preprocess.extract` sets that) the bits then were the same for every batch
size and order tried; it costs about a fifth of the speed of padding to the next multiple of 4.

B rows of a batch, T tokens of a row, L the padded length, d the encoder's width.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

PAD_TO = 16  # tokens


def in_batches(
    rows: Sequence[Sequence[int]],
    pad: int,
    limit: int,
    batch_size: int,
    forward: "Callable[[Tensor], Tensor]",
) -> list[NDArray[np.float32]]:
    """The encoder's states of each row, without those of its padding.

    Args:
        rows: token numbers, at most ``limit`` a row.
        pad: the token that fills up; it must not stand within a row.
        limit: the encoder's positions, which bound the padded length.
        batch_size: rows a forward pass, at most.
        forward: (B, L) int64 tokens to (B, L, d) states.

    Returns float32 arrays (T, d), in order.
    """
    import torch

    alike: dict[int, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        alike[min(limit, -(-len(row) // PAD_TO) * PAD_TO)].append(index)
    states: dict[int, NDArray[np.float32]] = {}
    for length, indices in alike.items():
        for first in range(0, len(indices), batch_size):
            batch = indices[first : first + batch_size]
            tokens = torch.full((len(batch), length), pad)  # (B, L)
            for place, index in enumerate(batch):
                tokens[place, : len(rows[index])] = torch.tensor(rows[index])
            with torch.inference_mode():
                hidden = forward(tokens).float().cpu().numpy()  # (B, L, d)
            for place, index in enumerate(batch):
                states[index] = hidden[place, : len(rows[index])].copy()
    return [states[index] for index in range(len(rows))]
