"""CMD, orthogonality and InfoNCE by loops, and at the values where they must vanish."""

import math

import torch

from mia_fairseq.models.representation.representation_losses import (
    central_moment_discrepancy,
    info_nce,
    orthogonality_loss,
)


def test_cmd_by_loops() -> None:
    torch.manual_seed(0)
    one, other = torch.rand(5, 3).double(), torch.rand(4, 3).double()

    def moment(x: torch.Tensor, column: int, k: int) -> float:
        values = x[:, column].tolist()
        mean = sum(values) / len(values)
        return mean if k == 1 else sum((value - mean) ** k for value in values) / len(values)

    expected = sum(
        math.sqrt(sum((moment(one, j, k) - moment(other, j, k)) ** 2 for j in range(3)))
        for k in range(1, 6)
    )
    assert math.isclose(float(central_moment_discrepancy(one, other)), expected)


def test_cmd_of_a_sample_with_itself_is_zero_with_a_finite_gradient() -> None:
    sample = torch.rand(5, 3, requires_grad=True)
    loss = central_moment_discrepancy(sample, sample.flip(0))
    loss.backward()
    assert loss < 1e-6 and sample.grad is not None and sample.grad.isfinite().all()


def test_orthogonality_by_loops() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    rows = []
    for x in (one, other):
        centred = [row - x.mean(0) for row in x]
        rows.append([row / row.norm() for row in centred])
    expected = sum(
        float(rows[0][i] @ rows[0][j]) * float(rows[1][i] @ rows[1][j])
        for i in range(4)
        for j in range(4)
    )
    assert math.isclose(float(orthogonality_loss(one, other)), expected / 16)


def test_spaces_with_nothing_in_common_are_orthogonal() -> None:
    one = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [1, 0, 0], [-1, 0, 0]])
    other = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0]])
    assert orthogonality_loss(one, other) < 1e-12 < orthogonality_loss(one, one)
    assert orthogonality_loss(torch.randn(1, 3), torch.randn(1, 3)) == 0


def test_info_nce_by_loops() -> None:
    torch.manual_seed(0)
    question, answer = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    total = 0.0
    for i in range(4):
        scores = [
            float(question[i] @ answer[j] / question[i].norm() / answer[j].norm()) / 0.1
            for j in range(4)
        ]
        total -= scores[i] - math.log(sum(math.exp(score) for score in scores))
    assert math.isclose(float(info_nce(question, answer)), total / 4)


def test_info_nce_is_zero_alone_and_small_where_all_is_told() -> None:
    assert info_nce(torch.randn(1, 3), torch.randn(1, 3)) == 0
    assert info_nce(torch.eye(5), torch.eye(5)) < 1e-3
    unrelated = info_nce(torch.ones(5, 5), torch.eye(5))
    assert torch.isclose(unrelated, torch.tensor(math.log(5)))
