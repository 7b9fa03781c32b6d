"""The convolution against torch's own."""

import pytest
import torch

from mia_fairseq.modules.channel_conv import ChannelConv


@pytest.mark.parametrize("width", [1, 3, 5])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 1), (6, 3)])
def test_equals_torchs_convolution_and_its_gradients(inputs: int, outputs: int, width: int) -> None:
    torch.manual_seed(0)
    layer = ChannelConv(inputs, outputs, width).double()
    columns = torch.randn(4, inputs, 7, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(4, outputs, 7, dtype=torch.float64)
    wanted = torch.nn.functional.conv1d(columns, layer.weight, layer.bias, padding=width // 2)
    got = layer(columns)
    assert torch.allclose(got, wanted, atol=1e-12)
    of = (columns, layer.weight, layer.bias)
    pairs = zip(
        torch.autograd.grad(got, of, upstream),
        torch.autograd.grad(wanted, of, upstream),
        strict=True,
    )
    assert all(torch.allclose(one, other, atol=1e-12) for one, other in pairs)


def test_fewer_columns_than_taps() -> None:
    layer = ChannelConv(1, 1, 5)
    assert layer(torch.randn(2, 1, 2)).shape == (2, 1, 2)
