"""The multi-modal interactive attention (MIA) module, Eq. 1-10, as a plain nn.Module.

B batch, c channels, d_m main dim, d_a auxiliary dim.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from mia_fairseq.modules.batch_norm import BatchNorm1d
from mia_fairseq.modules.convolution import convolve
from mia_fairseq.modules.interactive_attention import interactive_attention
from mia_fairseq.modules.kernel_regularization import kernel_regularization

KernelInit = Literal["identity", "scaled", "random"]


class MIAModule(nn.Module):
    """Lets one auxiliary modality improve the main one (Sec. 3.2.1).

    Args:
        channels: c, the rows of both inputs.
        gate_kernel: width of the gate's convolution K₁, Eq. 6; odd. The paper leaves it open.
        fuse_kernel: width of the fusing convolution K₂, Eq. 8; odd. The paper leaves it open.
        kernel_init: how W starts: ``identity``; ``scaled``, identity / √c, which keeps affinities
            at unit variance for unit-variance inputs; ``random``, normal with deviation 1/c, which
            is not symmetric, so L_KRL has work to do.
        scale_init: where the scale of the batch norm of Eq. 8 starts; at 0 the module puts out
            nothing at first and earns its part.
    """

    def __init__(
        self,
        channels: int,
        gate_kernel: int = 1,
        fuse_kernel: int = 3,
        *,
        kernel_init: KernelInit = "identity",
        scale_init: float = 1.0,
    ) -> None:
        super().__init__()
        if channels < 1 or gate_kernel % 2 == 0 or fuse_kernel % 2 == 0:
            raise ValueError(
                f"channels {channels} must be 1 or more, and gate_kernel {gate_kernel} and "
                f"fuse_kernel {fuse_kernel} odd"
            )
        self.kernel = nn.Parameter(initial_kernel(channels, kernel_init))  # W, (c, c)
        self.gate = nn.Conv1d(channels, channels, gate_kernel, padding=gate_kernel // 2)  # K₁, b₁
        self.fuse = nn.Conv1d(2 * channels, channels, fuse_kernel, padding=fuse_kernel // 2)
        self.norm = BatchNorm1d(channels)  # f_N
        nn.init.constant_(self.norm.weight, scale_init)

    def forward(self, main: Tensor, aux: Tensor) -> Tensor:
        """M^{n+1} (B, c, d_m) from M^n (B, c, d_m) and A^n (B, c, d_a)."""
        updated = self.attend(main, aux)  # M̂, Eq. 1-5: (B, c, d_m)
        gate = torch.sigmoid(convolve(self.gate, updated))  # G, Eq. 6: (B, c, d_m)
        gated = updated * gate  # M_gated, Eq. 7
        joined = torch.cat([gated, main], dim=1)  # [M_gated : M^n], (B, 2c, d_m)
        fused: Tensor = self.norm(torch.sigmoid(convolve(self.fuse, joined)))  # M^{n+1}, Eq. 8
        return fused

    def attend(self, main: Tensor, aux: Tensor) -> Tensor:
        """M̂ (B, c, d_m) of Eq. 1-5; equals `written_out_attention`."""
        return interactive_attention(main, aux, self.kernel)

    def penalty(self) -> Tensor:
        """This module's term of L_KRL, Eq. 9-10; a scalar."""
        return kernel_regularization(self.kernel)


def initial_kernel(channels: int, how: KernelInit) -> Tensor:
    """The start of W, (c, c); see `MIAModule`."""
    if how == "identity":
        return torch.eye(channels)
    if how == "scaled":
        return torch.eye(channels) / math.sqrt(channels)
    if how == "random":
        return torch.randn(channels, channels) / channels
    raise ValueError(f"kernel_init is {how!r}, expected identity, scaled or random")
