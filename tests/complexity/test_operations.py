"""The counter against cases worked out by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mia_fairseq.complexity.operations import Operations, count_operations


class Calls(nn.Module):
    """A model that is one function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def cost(function, *shapes: tuple[int, ...]) -> Operations:
    model = Calls(function).eval()
    inputs = [torch.rand(shape) for shape in shapes]
    return count_operations(model, lambda: model(*inputs), {})["rest"]


def softmax_attention(q: Tensor, k: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, k, scale=1.0)


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (nn.Linear(5, 3), [(1, 5)], (15, 0, 0)),  # the bias is where accumulation starts
        (lambda x, y: x @ y, [(4, 5), (5, 6)], (120, 0, 0)),
        (lambda x, y: torch.einsum("bcd,ced->bce", x, y), [(2, 3, 4), (3, 5, 4)], (120, 0, 0)),
        (nn.Conv1d(2, 3, 3, padding=1), [(1, 2, 7)], (126, 0, 0)),
        (lambda x, y: x + y, [(4, 5), (5,)], (0, 20, 0)),
        (lambda x: x.sum(), [(4, 5)], (0, 20, 0)),
        (torch.relu, [(7,)], (0, 7, 0)),
        (torch.exp, [(7,)], (0, 0, 7)),
        (torch.sigmoid, [(7,)], (0, 21, 7)),
        (lambda x: torch.softmax(x, 1), [(2, 7)], (0, 42, 14)),
        (nn.LayerNorm(6), [(3, 6)], (0, 90, 0)),
        (nn.BatchNorm1d(2).eval(), [(1, 2, 5)], (0, 20, 0)),
        (lambda x: x**5, [(3,)], (0, 12, 0)),
        (lambda x: x**0.5, [(3,)], (0, 3, 0)),
        (lambda x: x**1.7, [(3,)], (0, 0, 3)),
        (lambda x: torch.linalg.eigvalsh(x @ x.mT), [(4, 4)], (64, 64, 0)),
        (lambda x: torch.cat([x.mT.reshape(2, 6), x.view(2, 6)])[1:].clone(), [(3, 4)], (0, 0, 0)),
        # Products 4·3·2 twice; 12 affinities through a softmax; q and k are scaled by 1.
        (softmax_attention, [(1, 1, 4, 2), (1, 1, 3, 2)], (48, 36 + 8 + 6, 12)),
    ],
)
def test_single_operations(function, shapes, expected: tuple[int, int, int]) -> None:
    assert tuple(cost(function, *shapes)) == expected


def test_masks_and_indices_are_free() -> None:
    def masks(x: Tensor) -> Tensor:
        inside = torch.arange(5)[None] < torch.tensor([[2], [3]])
        return inside.any(dim=1)

    assert cost(masks, (2, 5)).total == 0


def test_multi_head_attention_is_written_out() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    counted = cost(lambda x: attention(x, x, x, need_weights=False)[0], (1, 3, 8))
    # Three maps in, one out, 3 tokens; two heads' products of 3·3·4, twice; 2·3·3 exponentials.
    assert counted.macs == 4 * 3 * 8 * 8 + 2 * (2 * 3 * 3 * 4)
    assert counted.exponentials == 18


class Twice(torch.autograd.Function):
    """What a custom function does in its forward pass."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor) -> Tensor:
        return (x @ w).exp() * 2

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, None]:
        return None, None


def test_custom_autograd_functions_are_counted() -> None:
    assert tuple(cost(Twice.apply, (2, 3), (3, 4))) == (24, 8, 8)


class Two(nn.Module):
    """Two parts, of which one is called twice, and something between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 5), nn.Sigmoid())
        self.second = nn.ModuleDict({"a": nn.Linear(5, 5), "b": nn.Linear(5, 2)})

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x) * 3
        return self.second["b"](self.second["a"](self.second["a"](hidden)))


def test_parts_and_the_rest() -> None:
    model, x = Two(), torch.randn(1, 4)
    parts = {"one": ["first"], "two": ["second.a", "second.b"]}
    assert count_operations(model, lambda: model(x), parts) == {
        "one": Operations(20, 15, 5),
        "two": Operations(60, 0, 0),
        "rest": Operations(0, 5, 0),
    }


def test_fused_layers_come_back_afterwards() -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    cost(torch.relu, (1,))
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_total_and_sum() -> None:
    assert Operations(3, 2, 1).total == 6
    assert Operations(3, 2, 1).plus(Operations(10, 20, 30)) == Operations(13, 22, 31)
