"""L_KRL, Eq. 10, against cases worked out by hand."""

import pytest
import torch

from mia_fairseq.modules.kernel_regularization import kernel_regularization


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ([[2.0]], 0.0),
        ([[-1.5]], 3.0),  # λ − |λ| = −3
        ([[0.0]], 0.0),
        ([[1.0, 0.0], [0.0, 1.0]], 0.0),
        # Eigenvalues 3 and −1: only −1 costs, 2.
        ([[1.0, 2.0], [2.0, 1.0]], 2.0),
        # Wᵀ − W has entries ±1, cost 2; the symmetric part [[1, .5], [.5, 1]] is positive.
        ([[1.0, 1.0], [0.0, 1.0]], 2.0),
        # Antisymmetric: entries ±4 cost 8, the symmetric part is 0.
        ([[0.0, 2.0], [-2.0, 0.0]], 8.0),
        # Asymmetry 2·2 = 4; symmetric part [[0, 1], [1, 0]] has −1, cost 2.
        ([[0.0, 2.0], [0.0, 0.0]], 6.0),
    ],
)
def test_hand_computed(kernel: list[list[float]], expected: float) -> None:
    assert kernel_regularization(torch.tensor(kernel)).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("c", [1, 2, 5, 16])
def test_zero_for_every_product_with_its_transpose(c: int) -> None:
    torch.manual_seed(c)
    root = torch.randn(c, c, dtype=torch.float64)
    assert kernel_regularization(root @ root.T).item() < 1e-12


@pytest.mark.parametrize("c", [1, 4])
def test_descent_makes_a_random_matrix_positive_semi_definite(c: int) -> None:
    torch.manual_seed(0)
    kernel = (torch.randn(c, c, dtype=torch.float64) - 2 * torch.eye(c)).requires_grad_()
    start = kernel_regularization(kernel).item()
    assert start > 0.5
    for step in range(2000):
        (gradient,) = torch.autograd.grad(kernel_regularization(kernel), kernel)
        with torch.no_grad():
            kernel -= 0.05 / (1 + step / 20) * gradient
    assert kernel_regularization(kernel).item() < 0.02 * start
    assert torch.linalg.eigvalsh((kernel + kernel.T) / 2).min() > -0.01


def test_gradient_is_right_where_it_exists() -> None:
    torch.manual_seed(1)
    kernel = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(kernel_regularization, (kernel,))


@pytest.mark.parametrize(("number", "slope"), [(-1.5, -2.0), (1.5, 0.0), (0.0, 0.0)])
def test_gradient_of_one_number_by_hand(number: float, slope: float) -> None:
    kernel = torch.tensor([[number]], requires_grad=True)
    (gradient,) = torch.autograd.grad(kernel_regularization(kernel), kernel)
    assert gradient.item() == slope


def test_half_precision_is_computed_in_single() -> None:
    value = kernel_regularization(torch.eye(3, dtype=torch.bfloat16))
    assert value.dtype == torch.float32 and value.item() == 0


def test_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        kernel_regularization(torch.zeros(2, 3))
