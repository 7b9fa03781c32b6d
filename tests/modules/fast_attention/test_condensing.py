"""A condensed auxiliary against all of its entries, up to the end of its reach."""

import pytest
import torch
from torch import Tensor

from mia_fairseq.modules.fast_attention import condensing, tilting

ENTRIES = ("gaussian", "uniform", "two values", "one far away")


def inputs(kind: str, reach: float, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Queries up to `reach` over half the entries' range, entries, and weights of the means."""
    generator = torch.Generator().manual_seed(len(kind))
    aux = torch.randn(3, 500, generator=generator, dtype=torch.float64)
    if kind == "uniform":
        aux = torch.rand(3, 500, generator=generator, dtype=torch.float64)
    elif kind == "two values":
        aux = aux.sign() + 5
    elif kind == "one far away":
        aux[:, 7] = 100
    half = (aux.amax(1) - aux.amin(1)) / 2
    queries = torch.linspace(-reach, reach, 31, dtype=torch.float64) / half[:, None]
    grad = torch.randn(3, 31, generator=generator, dtype=torch.float64)
    return queries.to(dtype), aux.to(dtype), grad


@pytest.mark.parametrize("kind", ENTRIES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 2e-7), (torch.float64, 1e-13)], ids=str
)
def test_equals_the_sums_over_all_entries(kind: str, dtype: torch.dtype, tolerance: float) -> None:
    queries, aux, grad = inputs(kind, condensing.REACH[dtype], dtype)
    whole = tilting.tilt(queries.double(), aux.double(), want_variance=True)
    mean, variance, kept = condensing.condense(queries, aux)
    wide = aux.double().amax() - aux.double().amin()
    torch.testing.assert_close(mean, whole.mean, atol=tolerance * wide, rtol=0)
    torch.testing.assert_close(variance, whole.variance, atol=tolerance * wide**2, rtol=0)
    expected = tilting.aux_gradient(queries.double(), aux.double(), whole.total, whole.excess, grad)
    found = condensing.aux_gradient(kept, grad)
    torch.testing.assert_close(found, expected, atol=5 * tolerance * expected.abs().max(), rtol=0)


def test_beyond_its_reach_it_is_wrong() -> None:
    queries, aux, _ = inputs("gaussian", 3 * condensing.REACH[torch.float32], torch.float32)
    whole = tilting.tilt(queries.double(), aux.double(), want_variance=True)
    assert (condensing.condense(queries, aux)[0] - whole.mean).abs().max() > 1e-5
