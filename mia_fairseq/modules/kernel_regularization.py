"""Eq. 10: the loss that keeps the kernel of interactive attention positive semi-definite."""

import torch
from torch import Tensor


def kernel_regularization(kernel: Tensor) -> Tensor:
    """One W's term of L_KRL, Eq. 10: Σ|Wᵀ − W| + Σ|λ − |λ||, 0 exactly where W is symmetric PSD.

    Eq. 10 prints "λ = |λ|" where λ − |λ| is meant. A freely trained W has complex eigenvalues, so
    λ are those of its symmetric part, (W + Wᵀ)/2; the first term pulls the rest to 0.

    Args:
        kernel: W, (c, c), any floating type; computed in float32 at least.

    Returns:
        A scalar, differentiable wherever W has no eigenvalue at 0.
    """
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"kernel has shape {tuple(kernel.shape)}, expected (c, c)")
    w = kernel if kernel.dtype == torch.float64 else kernel.float()
    if len(w) == 1:  # symmetric, and its own eigenvalue
        return 2 * torch.relu(-w).sum()
    asymmetry = (w.mT - w).abs().sum()
    symmetric = (w + w.mT) / 2
    eigenvalues = torch.linalg.eigvalsh(symmetric)
    return asymmetry + (eigenvalues - eigenvalues.abs()).abs().sum()
