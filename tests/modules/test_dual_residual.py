"""Eq. 11-12 against the equations written out."""

import torch

from mia_fairseq.modules.dual_residual import DualResidual


def test_equals_the_equations() -> None:
    torch.manual_seed(0)
    module = DualResidual(4, 9).double()
    main, fused = torch.randn(2, 3, 4).double(), torch.randn(2, 3, 4).double()
    first, _, _, second = module.ffn
    residual = main + fused
    hidden = torch.clamp(residual @ first.weight.T + first.bias, min=0)
    expected = residual + hidden @ second.weight.T + second.bias
    assert torch.allclose(module(main, fused), expected, atol=1e-12)
