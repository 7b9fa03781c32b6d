"""Interpolation against NumPy's Chebyshev series and against the function itself."""

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev as reference

from mia_fairseq.modules.fast_attention import chebyshev

DEGREES = (20, 21, 32, 40, 64, 80, 160, 320, 640)
CPU = torch.device("cpu")


def curve(u: torch.Tensor) -> torch.Tensor:
    return torch.exp(u) * torch.sin(3 * u) + 1 / (1.1 + u)


@pytest.mark.parametrize("degree", DEGREES)
def test_any_polynomial_is_evaluated_exactly(degree: int) -> None:
    coefficients = np.random.default_rng(degree).standard_normal((3, degree + 1))
    points = torch.linspace(-1, 1, 37, dtype=torch.float64).repeat(3, 1)
    nodes = chebyshev.lobatto_nodes(degree, CPU)
    values = torch.tensor(reference.chebval(nodes.numpy(), coefficients.T))[:, None]
    found = chebyshev.evaluate(values, chebyshev.basis(points, degree))[:, 0]
    expected = reference.chebval(points[0].numpy(), coefficients.T)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-11 * degree, rtol=0)


def test_rows_and_functions_are_kept_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(4, 20, generator=generator, dtype=torch.float64) * 2 - 1
    scale = torch.tensor([1.0, 2.0, -1.0, 0.5], dtype=torch.float64)[:, None]
    nodes = chebyshev.lobatto_nodes(32, CPU)
    values = torch.stack([scale * curve(nodes), scale * nodes**2], dim=1)
    found = chebyshev.evaluate(values, chebyshev.basis(points, 32))
    torch.testing.assert_close(found[:, 0], scale * curve(points), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[:, 1], scale * points**2, atol=1e-12, rtol=0)


@pytest.mark.parametrize("degree", DEGREES)
def test_transpose_is_the_transpose_of_evaluate(degree: int) -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(2, 11, generator=generator, dtype=torch.float64) * 2 - 1
    weights = torch.randn(2, 11, generator=generator, dtype=torch.float64)
    at = chebyshev.basis(points, degree)
    unit = torch.eye(degree + 1, dtype=torch.float64).expand(2, -1, -1)
    matrix = chebyshev.evaluate(unit, at)  # (B, K, P)
    expected = torch.einsum("bkp,bp->bk", matrix, weights)
    torch.testing.assert_close(chebyshev.transpose(weights, at), expected, atol=1e-11, rtol=0)


def test_tail_is_the_sum_of_the_last_eighth_of_the_coefficients() -> None:
    nodes = chebyshev.lobatto_nodes(16, CPU)
    values = 5.0 + nodes - 0.25 * torch.cos(15 * nodes.acos()) + 0.5 * torch.cos(16 * nodes.acos())
    assert chebyshev.tail(values).item() == pytest.approx(0.75, abs=1e-12)


def test_tail_falls_below_the_error_that_is_left() -> None:
    points = torch.linspace(-1, 1, 1001, dtype=torch.float64)[None]
    for degree in (16, 32):
        values = curve(chebyshev.lobatto_nodes(degree, CPU))[None, None]
        found = chebyshev.evaluate(values, chebyshev.basis(points, degree))
        error = (found[:, 0] - curve(points)).abs().max()
        assert 1e-13 < error < chebyshev.tail(values).item()


def test_nodes_may_be_used_in_training_after_inference() -> None:
    chebyshev.lobatto_nodes.cache_clear()
    with torch.inference_mode():
        assert not chebyshev.lobatto_nodes(16, CPU).is_inference()
