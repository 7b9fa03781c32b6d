"""The narrow convolutions of Eq. 6 and 8, as matrix products on a CPU.

B batch, c_in and c_out channels, d columns, k taps (odd).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def convolve(layer: nn.Conv1d, rows: Tensor) -> Tensor:
    """`layer(rows)` for a stride of 1, (B, c_in, d) to (B, c_out, d).

    On a CPU as one matrix product of the shifted rows, forward and backward: several times faster
    than torch's convolution for the few channels and narrow kernels of Eq. 6 and 8.
    """
    elsewhere = rows.device.type != "cpu" or torch.is_autocast_enabled("cpu")
    if elsewhere or layer.bias is None or torch.jit.is_tracing():
        output: Tensor = layer(rows)
    else:
        output = _Convolution.apply(rows, layer.weight, layer.bias)
    return output


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        shifted = _shifted(rows, weight.shape[2])
        ctx.save_for_backward(shifted, weight)
        flat = weight.transpose(1, 2).flatten(1)  # (c_out, k · c_in)
        return torch.baddbmm(bias[:, None], flat.expand(len(rows), -1, -1), shifted)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        shifted, weight = ctx.saved_tensors
        channels_out, channels_in, taps = weight.shape
        grad_rows = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:  # the same product, with the taps in reverse
            flat = weight.flip(2).permute(1, 2, 0).flatten(1)  # (c_in, k · c_out)
            grad_rows = flat.expand(len(grad), -1, -1) @ _shifted(grad, taps)
        if ctx.needs_input_grad[1]:
            sums = torch.bmm(grad, shifted.mT).sum(0)  # (c_out, k · c_in)
            grad_weight = sums.view(channels_out, taps, channels_in).transpose(1, 2)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum((0, 2))
        return grad_rows, grad_weight, grad_bias


def _shifted(rows: Tensor, taps: int) -> Tensor:
    """What each tap sees, zeros beyond the ends: (B, c, d) to (B, k · c, d), taps outermost."""
    if taps == 1:
        return rows
    padded, length = F.pad(rows, (taps // 2, taps // 2)), rows.shape[2]
    return torch.cat([padded[:, :, k : k + length] for k in range(taps)], dim=1)
