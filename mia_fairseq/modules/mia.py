"""The multi-modal interactive attention (MIA) module, Eq. 1-10, as a plain nn.Module.

B batch, c channels, d_m main dim, d_a auxiliary dim.
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from mia_fairseq.modules.batch_norm import BatchNorm1d
from mia_fairseq.modules.convolution import convolve
from mia_fairseq.modules.interactive_attention import interactive_attention
from mia_fairseq.modules.kernel_regularization import kernel_regularization

KernelInit = Literal["identity", "scaled", "random"]
KernelForm = Literal["free", "psd"]


class MIAModule(nn.Module):
    """Lets one auxiliary modality improve the main one (Sec. 3.2.1).

    Args:
        channels: c, the rows of both inputs.
        gate_kernel: width of the gate's convolution K₁, Eq. 6; odd. The paper leaves it open.
        fuse_kernel: width of the fusing convolution K₂, Eq. 8; odd. The paper leaves it open.
        kernel_init: how W starts: ``identity``; ``scaled``, identity / √c, which keeps affinities
            at unit variance for unit-variance inputs; ``random``, normal with deviation 1/c, which
            is not symmetric, so L_KRL has work to do.
        kernel_scale: by which the start of W is multiplied. Ours: near 0 each main column begins
            with the plain mean of the auxiliary's columns and learns which of them it needs, where
            at 1 many channels make the softmax of Eq. 3 one-sided from the start.
        kernel_form: ``free``, as in the paper; ``psd``, ours: W = L Lᵀ with L learnt, so that W is
            symmetric positive semi-definite by construction and L_KRL has nothing left to do.
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
        kernel_scale: float = 1.0,
        kernel_form: KernelForm = "free",
        scale_init: float = 1.0,
    ) -> None:
        super().__init__()
        if channels < 1 or gate_kernel % 2 == 0 or fuse_kernel % 2 == 0:
            raise ValueError(
                f"channels {channels} must be 1 or more, and gate_kernel {gate_kernel} and "
                f"fuse_kernel {fuse_kernel} odd"
            )
        if kernel_scale < 0 or kernel_form not in get_args(KernelForm):
            raise ValueError(
                f"kernel_scale {kernel_scale:g} must be 0 or more, and kernel_form "
                f"{kernel_form!r} free or psd"
            )
        start = initial_kernel(channels, kernel_init)
        if kernel_form == "psd":
            self.kernel = nn.Parameter(start * kernel_scale**0.5)  # L, (c, c)
            register_parametrization(self, "kernel", Gram(), unsafe=True)  # reads as W
        else:
            self.kernel = nn.Parameter(start * kernel_scale)  # W, (c, c)
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


class Gram(nn.Module):
    """W = L Lᵀ of a learnt L (c, c)."""

    def forward(self, root: Tensor) -> Tensor:
        """(c, c) → (c, c), symmetric positive semi-definite."""
        return root @ root.T


def initial_kernel(channels: int, how: KernelInit) -> Tensor:
    """The start of W, (c, c); see `MIAModule`."""
    if how == "identity":
        return torch.eye(channels)
    if how == "scaled":
        return torch.eye(channels) / math.sqrt(channels)
    if how == "random":
        return torch.randn(channels, channels) / channels
    raise ValueError(f"kernel_init is {how!r}, expected identity, scaled or random")
