"""Attention in float32 inside of networks that compute in 16 bits, on a CPU.

torch's attention without dropout is slower there in bfloat16 than in float32: forward and backward
of 12 heads of 32 took 2.0 times as long over 160 tokens, and 4.8 times over 20. Linear layers gain
from 16 bits.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

attention = nn.functional.scaled_dot_product_attention


class Float32Attention(TorchFunctionMode):
    """Within this context `scaled_dot_product_attention` computes 16 bits of a CPU in float32.

    What it gives is of the type that it was given.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func is not attention or not _is_half_on_cpu(args[0] if args else given["query"]):
            return func(*args, **given)
        half = args[0].dtype if args else given["query"].dtype
        wide = {name: _wide(value) for name, value in given.items()}
        return func(*map(_wide, args), **wide).to(half)


def _is_half_on_cpu(given: Tensor) -> bool:
    return given.device.type == "cpu" and given.dtype in (torch.bfloat16, torch.float16)


def _wide(given: Any) -> Any:
    """Floats of 16 bits in 32; masks of truth values, and what is no tensor, as they are."""
    if isinstance(given, Tensor) and given.is_floating_point():
        return given.float()
    return given
