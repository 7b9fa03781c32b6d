"""Tilted means against loops over every entry."""

import math

import pytest
import torch

from mia_fairseq.modules.fast_attention import tilting


def loops(t: float, entries: list[float]) -> tuple[float, float]:
    shift = max(t * a for a in entries)
    weights = [math.exp(t * a - shift) for a in entries]
    total = sum(weights)
    mean = sum(w * a for w, a in zip(weights, entries, strict=True)) / total
    return mean, sum(w * (a - mean) ** 2 for w, a in zip(weights, entries, strict=True)) / total


def test_mean_and_variance_match_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = 3 * torch.randn(3, 5, generator=generator, dtype=torch.float64)
    aux = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    found = tilting.tilt(queries, aux, want_variance=True)
    for row in range(3):
        for q in range(5):
            mean, variance = loops(queries[row, q].item(), aux[row].tolist())
            assert found.mean[row, q].item() == pytest.approx(mean, rel=1e-12)
            assert found.variance[row, q].item() == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("entries", [1, 40, 10_000])
def test_portions_do_not_change_the_result(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    queries = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    aux = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    grad = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    whole = tilting.tilt(queries, aux, want_variance=True)
    gradient = tilting.aux_gradient(queries, aux, whole.total, whole.excess, grad)
    monkeypatch.setattr(tilting, "CPU_PORTION", entries)
    parts = tilting.tilt(queries, aux, want_variance=True)
    torch.testing.assert_close(parts, whole, atol=1e-14, rtol=0)
    again = tilting.aux_gradient(queries, aux, whole.total, whole.excess, grad)
    torch.testing.assert_close(again, gradient, atol=1e-14, rtol=0)


def test_gradient_of_the_auxiliary_matches_autograd() -> None:
    generator = torch.Generator().manual_seed(2)
    queries = 2 * torch.randn(2, 6, generator=generator, dtype=torch.float64)
    aux = torch.randn(2, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    weights = torch.softmax(queries[:, :, None] * aux[:, None], dim=2)
    (expected,) = torch.autograd.grad((weights * aux[:, None]).sum(2), aux, grad)
    tilted = tilting.tilt(queries, aux.detach(), want_variance=False)
    found = tilting.aux_gradient(queries, aux.detach(), tilted.total, tilted.excess, grad)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)


def test_one_entry_that_outweighs_many_keeps_what_the_many_add() -> None:
    aux = torch.zeros(1, 4001)
    aux[0, 0] = 100.0
    query = torch.full((1, 1), 0.17)  # each of the 4000 weighs e^-17, too little to be added to 1
    found = tilting.tilt(query, aux, want_variance=True)
    mean, variance = loops(query.item(), aux[0].tolist())
    assert found.excess.item() == pytest.approx(100 - mean, rel=1e-4)
    assert found.variance.item() == pytest.approx(variance, rel=1e-4)


def test_huge_queries_overflow_nothing() -> None:
    queries = torch.tensor([[-1e30, -1e4, 0.0, 1e4, 1e30]])
    aux = torch.tensor([[-3.0, 1.0, 5.0]])
    found = tilting.tilt(queries, aux, want_variance=True)
    torch.testing.assert_close(found.mean, torch.tensor([[-3.0, -3.0, 1.0, 5.0, 5.0]]))
    assert found.variance.isfinite().all()
