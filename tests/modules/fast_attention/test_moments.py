"""The power series against the sums over all entries, up to the end of its reach."""

import pytest
import torch
from torch import Tensor

from mia_fairseq.modules.fast_attention import closed_form, moments, power_series, tilting

ENTRIES = ("gaussian", "uniform", "two values", "one far away", "all equal")
DTYPES = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 3e-7), (torch.float64, 1e-13)], ids=str
)


def inputs(kind: str, share: float, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Queries up to a share of the reach, 500 entries, and weights of the means."""
    generator = torch.Generator().manual_seed(len(kind))
    aux = torch.randn(3, 500, generator=generator, dtype=torch.float64)
    if kind == "uniform":
        aux = torch.rand(3, 500, generator=generator, dtype=torch.float64)
    elif kind == "two values":
        aux = aux.sign() + 5
    elif kind == "one far away":
        aux[:, 7] = 100
    elif kind == "all equal":
        aux[:] = 0.7
    reach = share * moments.furthest(500, dtype)[-1]
    half = (aux.amax(1) - aux.amin(1)) / 2 if kind != "all equal" else torch.ones(3)
    queries = torch.linspace(-reach, reach, 31, dtype=torch.float64) / half[:, None]
    grad = torch.randn(3, 31, generator=generator, dtype=torch.float64)
    return queries.to(dtype), aux.to(dtype), grad.to(dtype)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.999])
@pytest.mark.parametrize("kind", ENTRIES)
@DTYPES
def test_equals_the_sums_over_all_entries(
    kind: str, share: float, dtype: torch.dtype, tolerance: float
) -> None:
    queries, aux, grad = inputs(kind, share, dtype)
    leaves = queries.clone().requires_grad_(), aux.clone().requires_grad_()
    found = moments.attention_by_moments(*leaves, moments.measure(queries, aux))
    slopes, of_aux = torch.autograd.grad(found, leaves, grad)
    wide = max((aux.amax() - aux.amin()).item(), 1e-3 * aux.abs().amax().item())
    exact = tilting.tilt(queries.double(), aux.double(), want_variance=True)
    error = (found - exact.mean).abs().max()
    assert error <= tolerance * wide
    assert (slopes - exact.variance * grad).abs().max() <= 4 * tolerance * wide**2
    given = exact.total, exact.excess, grad.double()
    expected = tilting.aux_gradient(queries.double(), aux.double(), *given)
    assert (of_aux - expected).abs().max() <= 5 * tolerance * expected.abs().max()


@DTYPES
def test_each_number_of_blocks_is_enough_to_its_end(dtype: torch.dtype, tolerance: float) -> None:
    aux = torch.linspace(-1, 1, 50, dtype=dtype)[None]
    limits = [z for z in moments.furthest(50, dtype) if z > 0]
    assert limits == sorted(limits) and len(limits) > 5
    for limit in limits:
        queries = torch.tensor([[-limit, 0.5 * limit, limit]], dtype=dtype)
        found = moments.attention_by_moments(queries, aux, moments.measure(queries, aux))
        exact = tilting.tilt(queries.double(), aux.double(), want_variance=False).mean
        assert (found - exact).abs().max() <= tolerance


def test_what_is_out_of_reach_is_known() -> None:
    aux = torch.tensor([[-1.0, 1.0]]).expand(5, 2)
    queries = torch.tensor([[-1.0, 2], [7, 9], [-9, -7], [0, 1e3], [0, float("nan")]])
    most = moments.furthest(2, torch.float32)[-1]
    rows = moments.measure(queries, aux)
    assert [row.reach <= most for row in rows] == [True, False, False, False, False]


def test_rows_in_and_out_of_reach_keep_their_places() -> None:
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([100.0, 1, 50, 1, 1])[:, None]
    queries, aux = (scales * torch.randn(5, n, generator=generator) for n in (30, 40))
    leaves = queries.clone().requires_grad_(), aux.clone().requires_grad_()
    found = closed_form.attend_by_reach(*leaves, 1e-6, ())
    alone = closed_form.closed_form_attention(queries, aux, 1e-6, ())
    torch.testing.assert_close(found.detach(), alone, rtol=1e-6, atol=1e-6)
    for grad in torch.autograd.grad(found.sum(), leaves):
        assert grad.isfinite().all()


def test_many_rows_are_computed_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """And with or without a gradient the answer is the same."""
    generator = torch.Generator().manual_seed(0)
    queries, aux = (torch.randn(7, n, generator=generator) for n in (30, 40))
    leaves = queries.clone().requires_grad_(), aux.clone().requires_grad_()
    found = []
    for portion in (1 << 17, 150, 1):  # all rows, two of them, one
        monkeypatch.setattr(moments, "PORTION", portion)
        out = closed_form.attend_by_reach(*leaves, 1e-6, ())
        without = closed_form.attend_by_reach(queries, aux, 1e-6, ())
        torch.testing.assert_close(out.detach(), without, rtol=1e-6, atol=1e-7)
        found.append((out, *torch.autograd.grad(out.square().sum(), leaves)))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-5, atol=1e-6)


def test_no_rows_give_none() -> None:
    queries, aux = torch.zeros(0, 5), torch.zeros(0, 4)
    assert closed_form.attend_by_reach(queries, aux, 1e-6, ()).shape == (0, 5)


def test_a_variance_is_never_negative() -> None:
    aux = torch.tensor([[-1.0] + [1.0] * 999])
    queries = torch.tensor([[0.1, 5.0, 9.0, 12.0]], requires_grad=True)
    out = closed_form.attend_by_reach(queries, aux, 1e-6, ())
    (slopes,) = torch.autograd.grad(out.sum(), queries)
    assert (slopes >= 0).all()


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_polynomials_and_sums_of_powers_by_loops(blocks: int) -> None:
    generator = torch.Generator().manual_seed(blocks)
    points = torch.rand(2, 4, generator=generator, dtype=torch.float64) * 2 - 1
    shape = 2, blocks, 3, power_series.BLOCK
    coefficients = torch.randn(*shape, generator=generator, dtype=torch.float64)
    weights = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    table = points.new_empty(power_series.BLOCK + 1, 2, 4)
    table[1] = points
    power_series.powers(table)
    found = power_series.evaluate(coefficients, table)
    sums = power_series.power_sums(weights, table, blocks)
    plain = power_series.power_sums(None, table, blocks)
    terms = power_series.BLOCK * blocks
    powers = points[:, None] ** torch.arange(terms)[:, None]  # (B, N, P)
    flat = coefficients.transpose(1, 2).flatten(2)  # (B, F, N)
    torch.testing.assert_close(found, flat @ powers)
    torch.testing.assert_close(sums.transpose(1, 2).flatten(2), weights @ powers.mT)
    torch.testing.assert_close(plain.flatten(1), powers.sum(2))
