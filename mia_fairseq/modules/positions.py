"""Places in a sequence.

Their sinusoids are those of Vaswani et al., Attention is all you need, NeurIPS 2017, Sec. 3.5.
"""

import math

import torch
from torch import Tensor


def sinusoids(like: Tensor) -> Tensor:
    """(T, p) positions for tokens (B, T, p), of the tokens' type and device.

    Column 2i of position t is sin(t / 10000^(2i/p)), column 2i + 1 its cosine. An odd p is filled
    up with a sine.
    """
    length, width = like.shape[1:]
    time = torch.arange(length, device=like.device, dtype=torch.float32)[:, None]
    columns = torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
    angles = time * torch.exp(columns * (-math.log(10000.0) / width))  # (T, ⌈p/2⌉)
    waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
    return waves[:, :width].to(like.dtype)


def up_to(count: Tensor) -> Tensor:
    """0 to `count` - 1; `count` stays a tensor, for a traced graph would keep a number as it is."""
    return torch.arange(count, device=count.device)  # type: ignore[call-overload]
