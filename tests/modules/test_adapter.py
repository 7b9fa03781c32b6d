"""Pooling to segments, and the adapter's one map a channel."""

import math

import pytest
import torch

from mia_fairseq.modules.adapter import Adapter, segment_means


@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_segments_equal_a_loop(segments: int) -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([7, 1, 0, 3, 10])
    sequence = torch.randn(5, 10, 4).double()
    pooled = segment_means(sequence, lengths, segments)
    for row, n in enumerate(lengths.tolist()):
        for k in range(segments):
            part = sequence[row, k * n // segments : math.ceil((k + 1) * n / segments)]
            expected = part.mean(dim=0) if n else torch.zeros(4).double()
            assert torch.allclose(pooled[row, k], expected), (row, k)


def test_one_vector_fills_every_segment() -> None:
    vector = torch.randn(3, 1, 4, requires_grad=True)
    filled = segment_means(vector, torch.tensor([1, 0, 1]), 3)
    expected = (vector * torch.tensor([1.0, 0.0, 1.0])[:, None, None]).expand(3, 3, 4)
    assert torch.equal(filled, expected)
    (gradient,) = torch.autograd.grad(filled.sum(), vector)
    assert gradient[:, 0].tolist() == [[3.0] * 4, [0.0] * 4, [3.0] * 4]


def test_each_channel_has_its_map() -> None:
    torch.manual_seed(0)
    adapter = Adapter(4, 3)
    segments = torch.randn(2, 3, 4)
    maps = adapter.linear.weight.chunk(3), adapter.linear.bias.chunk(3)
    for k, (weight, bias) in enumerate(zip(*maps, strict=True)):
        expected = segments[:, k] @ weight.T + bias
        assert torch.allclose(adapter(segments)[:, k], expected, atol=1e-6)


def test_one_vector_gives_a_plain_linear_map() -> None:
    torch.manual_seed(0)
    adapter = Adapter(4, 3)
    vector = torch.randn(2, 1, 4)
    expected = adapter.linear(vector[:, 0]).view(2, 3, 4)
    assert torch.allclose(adapter(vector.expand(2, 3, 4)), expected, atol=1e-6)
