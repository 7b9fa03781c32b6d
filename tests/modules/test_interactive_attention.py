"""Eq. 1-5 against loops, and the fast forms against the written-out form in float64."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from mia_fairseq.errors import InputError
from mia_fairseq.modules.fast_attention import closed_form
from mia_fairseq.modules.interactive_attention import (
    Method,
    _attend,
    interactive_attention,
    written_out_attention,
)

METHODS: tuple[Method, ...] = ("auto", "exact", "chebyshev")
BATCH, MAIN_DIM, AUX_DIM = 3, 1024, 192


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def with_gradients(
    function: Callable[..., Tensor], tensors: tuple[Tensor, ...], upstream: Tensor
) -> tuple[Tensor, ...]:
    """The output and the gradients of all tensors."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    output = function(*leaves)
    return (output.detach(), *torch.autograd.grad(output, leaves, upstream.to(output.dtype)))


def error(found: Tensor, exact: Tensor) -> float:
    """The largest error, relative to the largest exact value; absolute where that is 0."""
    largest = exact.abs().max().item()
    return (found.double() - exact).abs().max().item() / (largest if largest > 1e-12 else 1.0)


def single(tensor: Tensor, value: float) -> Tensor:
    """The same with one entry of each row far from the others."""
    tensor = tensor.clone()
    tensor[..., 5] = value
    return tensor


def inputs(name: str) -> tuple[Tensor, Tensor]:
    main, aux = normal(0, BATCH, 1, MAIN_DIM), normal(1, BATCH, 1, AUX_DIM)
    cases = {
        "equal main": (torch.full_like(main, 0.7), aux),
        "equal auxiliary": (main, torch.full_like(aux, 0.7)),
        "equal both": (torch.full_like(main, -2.0), torch.full_like(aux, 3.0)),
        "main of zeros": (torch.zeros_like(main), aux),
        "missing auxiliary": (main, torch.zeros_like(aux)),
        "one missing in the batch": (main, torch.cat([aux[:-1], torch.zeros_like(aux[:1])])),
        "dominant main": (single(main, 100.0), aux),
        "dominant auxiliary": (main, single(aux, 100.0)),
        "dominant both": (single(main, -60.0), single(aux, 80.0)),
        "small and dominant": (single(0.1 * main, 10.0), single(0.1 * aux, 10.0)),
        "far from zero": (main + 20, aux + 10),
        "positive": (3 * main.relu(), 3 * aux.relu()),
        "two values": (3 * main, 3 * aux.sign()),
        "heavy tails": (2 * main * main.abs(), 2 * aux * aux.abs()),
        "tiny main": (1e-3 * main, aux),
    }
    return cases[name]


def by_method(method: Method) -> Callable[..., Tensor]:
    return partial(interactive_attention, method=method)


def check(main: Tensor, aux: Tensor, weight: float, method: Method, upstream: Tensor) -> None:
    """Hold the output and all gradients against the written-out form in float64."""
    tensors: tuple[Tensor, ...] = (main, aux, torch.tensor([[weight]]))
    found = with_gradients(by_method(method), tensors, upstream)
    tensors, upstream = tuple(tensor.double() for tensor in tensors), upstream.double()
    exact = with_gradients(written_out_attention, tensors, upstream)
    for part, reference in zip(found[:3], exact[:3], strict=True):
        assert error(part, reference) <= 1e-5
    # W's one gradient is a sum over the batch and all columns, which may nearly cancel: it is held
    # to 1e-5 of what that sum would be with signs at random.
    one = torch.ones_like(tensors[2])
    of_queries = with_gradients(
        written_out_attention, (weight * tensors[0], tensors[1], one), upstream
    )[1]
    size = (of_queries * tensors[0]).norm().item()
    assert (found[3] - exact[3]).abs().item() <= 1e-5 * size + 1e-12


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_matches_loops_over_every_index(channels: int, method: Method) -> None:
    main = normal(0, 2, channels, 5).double()
    aux = normal(1, 2, channels, 4).double()
    kernel = normal(2, channels, channels).double()
    found = interactive_attention(main, aux, kernel, method=method)
    plain = written_out_attention(main, aux, kernel)
    for b in range(2):
        for j in range(5):
            scores = [aux[b, :, i] @ kernel @ main[b, :, j] for i in range(4)]
            weights = [torch.exp(score) for score in scores]
            column = sum(w * aux[b, :, i] for i, w in enumerate(weights)) / sum(weights)
            torch.testing.assert_close(found[b, :, j], column, atol=1e-11, rtol=0)
            torch.testing.assert_close(plain[b, :, j], column, atol=1e-12, rtol=0)


@pytest.mark.parametrize("upstream", ["random", "ones"])
@pytest.mark.parametrize("aux_scale", [0.1, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("main_scale", [0.1, 1.0, 3.0, 10.0])
def test_accuracy_over_scales(main_scale: float, aux_scale: float, upstream: str) -> None:
    main = main_scale * normal(0, BATCH, 1, MAIN_DIM)
    aux = aux_scale * normal(1, BATCH, 1, AUX_DIM)
    grad = normal(2, *main.shape) if upstream == "random" else torch.ones_like(main)
    check(main, aux, 1.0, "auto", grad)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "case",
    [
        "equal main",
        "equal auxiliary",
        "equal both",
        "main of zeros",
        "missing auxiliary",
        "one missing in the batch",
        "dominant main",
        "dominant auxiliary",
        "dominant both",
        "small and dominant",
        "far from zero",
        "positive",
        "two values",
        "heavy tails",
        "tiny main",
    ],
)
def test_accuracy_in_special_cases(case: str, method: Method) -> None:
    main, aux = inputs(case)
    check(main, aux, 0.9, method, normal(2, *main.shape))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weight", [0.0, -1.5])
def test_kernel_may_be_zero_or_negative(weight: float, method: Method) -> None:
    main, aux = normal(0, BATCH, 1, MAIN_DIM), normal(1, BATCH, 1, AUX_DIM)
    check(main, aux, weight, method, normal(2, *main.shape))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("main_dim", "aux_dim"), [(1, 1), (1, 6), (6, 1), (1, 1000)])
def test_one_column_is_enough(main_dim: int, aux_dim: int, method: Method) -> None:
    main, aux = normal(0, 2, 1, main_dim), normal(1, 2, 1, aux_dim)
    check(main, aux, 1.0, method, normal(2, *main.shape))


@pytest.mark.parametrize("lowest", [0.5, 1.9, 3.0])
def test_slopes_are_exact_where_one_end_outweighs_all_else(lowest: float) -> None:
    main = lowest + normal(0, BATCH, 1, MAIN_DIM).abs()
    aux = normal(1, BATCH, 1, AUX_DIM).sign()
    aux[..., : AUX_DIM // 2] = 1
    check(main, 3 * aux, 1.0, "auto", normal(2, *main.shape))


@pytest.mark.parametrize("method", METHODS)
def test_scales_beyond_all_reason_stay_finite(method: Method) -> None:
    main, aux = 1e6 * normal(0, 2, 1, 300), 1e6 * normal(1, 2, 1, 200)
    tensors = (main, aux, torch.ones(1, 1))
    run = with_gradients(by_method(method), tensors, torch.ones_like(main))
    assert all(part.isfinite().all() for part in run)
    torch.testing.assert_close(
        run[0], written_out_attention(*(t.double() for t in tensors)).float()
    )


class Counter:
    """Counts the queries of each call that makes a table of exponentials."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queries: list[int] = []
        monkeypatch.setattr(closed_form, "tilt", self.counting(closed_form.tilt))

    def counting(self, weigh: Callable[..., object]) -> Callable[..., object]:
        def counted(queries: Tensor, aux: Tensor, **wanted: bool) -> object:
            self.queries.append(queries.numel())
            return weigh(queries, aux, **wanted)

        return counted


@pytest.mark.parametrize(("scale", "most"), [(0.1, 49), (0.5, 49), (1.0, 49), (10.0, 400)])
def test_nodes_grow_with_the_scale_only_as_needed(
    scale: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(monkeypatch)
    main, aux = scale * normal(0, 1, 1, MAIN_DIM), scale * normal(1, 1, 1, AUX_DIM)
    by_method("chebyshev")(main.requires_grad_(), aux, torch.ones(1, 1))
    assert 0 < sum(counter.queries) <= most


def test_a_loose_tolerance_takes_fewer_nodes_and_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    main, aux = 2 * normal(0, 8, 1, MAIN_DIM), 2 * normal(1, 8, 1, AUX_DIM)
    counter = Counter(monkeypatch)
    kernel = torch.ones(1, 1)
    loose = by_method("chebyshev")(main, aux, kernel, tolerance=1e-2)
    used = sum(counter.queries)
    by_method("chebyshev")(main, aux, kernel, tolerance=1e-6)
    assert used < sum(counter.queries) - used
    exact = written_out_attention(main.double(), aux.double(), kernel.double())
    assert 1e-6 < error(loose, exact) < 1e-2


def test_a_tolerance_out_of_reach_ends_in_the_exact_form(monkeypatch: pytest.MonkeyPatch) -> None:
    main, aux = normal(0, 2, 1, MAIN_DIM), normal(1, 2, 1, AUX_DIM)
    counter = Counter(monkeypatch)
    found = by_method("chebyshev")(main, aux, torch.ones(1, 1), tolerance=-1.0)
    assert counter.queries[-1] == main.numel()
    exact = interactive_attention(main, aux, torch.ones(1, 1), method="exact")
    torch.testing.assert_close(found, exact, atol=0, rtol=0)


def test_sizes_beyond_the_series_take_the_exact_form_where_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counter = Counter(monkeypatch)
    main, aux = normal(0, 2, 1, 20), normal(1, 2, 1, 20)
    interactive_attention(main, aux, torch.ones(1, 1))
    assert counter.queries == []
    interactive_attention(30 * main, 30 * aux, torch.ones(1, 1))
    assert counter.queries == [40]


def test_rows_of_every_kind_in_one_batch_are_as_if_alone() -> None:
    scales = torch.tensor([0.1, 1.0, 2.0, 30.0, 0.0, 1.0])[:, None, None]
    main = scales * normal(0, 6, 1, MAIN_DIM)
    aux = scales * normal(1, 6, 1, AUX_DIM)
    aux[5, 0, ::2] *= 1e3
    kernel, upstream = torch.tensor([[1.1]]), normal(2, *main.shape)
    together = with_gradients(interactive_attention, (main, aux, kernel), upstream)
    for row in range(6):
        part = slice(row, row + 1)
        alone = with_gradients(
            interactive_attention, (main[part], aux[part], kernel), upstream[part]
        )
        for found, whole in zip(alone[:3], together[:3], strict=True):
            assert error(whole[part], found.double()) <= 1e-6


def test_not_a_number_stays_in_its_row() -> None:
    main, aux = normal(0, 3, 1, MAIN_DIM), normal(1, 3, 1, AUX_DIM)
    main[1, 0, 3] = float("nan")
    found = interactive_attention(main, aux, torch.ones(1, 1))
    expected = interactive_attention(main[::2], aux[::2], torch.ones(1, 1))
    torch.testing.assert_close(found[::2], expected)
    assert found[1, 0, 3].isnan()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 2])
def test_gradcheck(channels: int, method: Method) -> None:
    main = normal(0, 2, channels, 6).double().requires_grad_()
    aux = normal(1, 2, channels, 5).double().requires_grad_()
    kernel = normal(2, channels, channels).double().requires_grad_()
    assert torch.autograd.gradcheck(by_method(method), (main, aux, kernel))


@pytest.mark.parametrize("method", ["auto", "chebyshev"])
def test_gradcheck_at_some_size(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(monkeypatch)
    main = normal(0, 1, 1, 200).double().requires_grad_()
    aux = normal(1, 1, 1, 130).double().requires_grad_()
    kernel = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(by_method(method), (main, aux, kernel), fast_mode=True)
    assert max(counter.queries, default=0) < 200
    assert bool(counter.queries) == (method == "chebyshev")


@pytest.mark.parametrize("needed", [(True, False), (False, True)])
def test_only_the_wanted_gradients_are_made(needed: tuple[bool, bool]) -> None:
    main = normal(0, 2, 1, MAIN_DIM).requires_grad_(needed[0])
    aux = normal(1, 2, 1, AUX_DIM).requires_grad_(needed[1])
    interactive_attention(main, aux, torch.ones(1, 1)).sum().backward()
    assert ((main.grad is not None), (aux.grad is not None)) == needed


def test_a_second_derivative_is_refused() -> None:
    main = normal(0, 2, 1, 8).requires_grad_()
    output = interactive_attention(main, normal(1, 2, 1, 8), torch.ones(1, 1))
    upstream = torch.ones_like(output, requires_grad=True)
    (first,) = torch.autograd.grad(output, main, upstream, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.parametrize("channels", [1, 4])
def test_autocast_computes_in_float32(channels: int) -> None:
    main = 3 * normal(0, 2, channels, 600).requires_grad_()
    aux = 3 * normal(1, 2, channels, 200)
    kernel = torch.eye(channels)
    expected = interactive_attention(main, aux, kernel)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = interactive_attention(main, aux, kernel)
        torch.testing.assert_close(found, expected, atol=0, rtol=0)
        (inside,) = torch.autograd.grad(found.sum(), main)
    (outside,) = torch.autograd.grad(expected.sum(), main)
    torch.testing.assert_close(inside, outside, atol=0, rtol=0)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(kind: torch.dtype) -> None:
    main, aux = normal(0, 2, 1, MAIN_DIM).to(kind), normal(1, 2, 1, AUX_DIM).to(kind)
    found = interactive_attention(main, aux, torch.ones(1, 1))
    exact = written_out_attention(main.double(), aux.double(), torch.ones(1, 1).double())
    assert found.dtype == kind
    torch.testing.assert_close(found, exact.to(kind), atol=0, rtol=torch.finfo(kind).eps)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_of_size_aux_dim_by_main_dim_is_kept_with_one_channel(method: Method) -> None:
    main, aux = (
        normal(0, 2, 1, MAIN_DIM).requires_grad_(),
        normal(1, 2, 1, AUX_DIM).requires_grad_(),
    )
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        interactive_attention(main, aux, torch.ones(1, 1), method=method).sum().backward()
    assert 0 < sum(kept) < main.numel() * AUX_DIM / 4


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [2, 3, 4, 16])
def test_more_channels_take_the_flash_kernel(channels: int, kind: torch.dtype) -> None:
    main = normal(0, 2, channels, 40).to(kind).requires_grad_()
    aux = normal(1, 2, channels, 30).to(kind).requires_grad_()
    kernel = normal(2, channels, channels).to(kind).requires_grad_()
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION]):  # raises where the kernel does not fit
        found = interactive_attention(main, aux, kernel)
    grads = torch.autograd.grad(found.sum(), (main, aux, kernel))
    exact = with_gradients(
        written_out_attention, tuple(t.double() for t in (main, aux, kernel)), torch.ones_like(main)
    )
    for part, reference in zip((found, *grads), exact, strict=True):
        assert error(part.detach(), reference) <= 1e-5


def test_added_zero_channels_change_nothing() -> None:
    main, aux, kernel = normal(0, 2, 3, 20), normal(1, 2, 3, 10), normal(2, 3, 3)
    torch.testing.assert_close(
        _attend(main, aux, kernel, 8), written_out_attention(main, aux, kernel)
    )


def test_the_same_twice() -> None:
    tensors = (normal(0, 5, 1, MAIN_DIM), normal(1, 5, 1, AUX_DIM), torch.ones(1, 1))
    first, second = (
        with_gradients(interactive_attention, tensors, torch.ones_like(tensors[0]))
        for _ in range(2)
    )
    torch.testing.assert_close(first, second, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("main", "aux", "kernel"),
    [
        ((2, 1, 4), (3, 1, 4), (1, 1)),
        ((2, 1, 4), (2, 2, 4), (1, 1)),
        ((2, 2, 4), (2, 2, 4), (1, 1)),
        ((2, 4), (2, 4), (1, 1)),
        ((2, 1, 4), (2, 1, 0), (1, 1)),
    ],
)
def test_shapes_that_do_not_fit(
    main: tuple[int, ...], aux: tuple[int, ...], kernel: tuple[int, ...]
) -> None:
    with pytest.raises(InputError, match=r"got main .*but needs \(B, c, d_m\)"):
        interactive_attention(torch.zeros(main), torch.zeros(aux), torch.zeros(kernel))


def test_unknown_method() -> None:
    main = torch.zeros(1, 1, 2)
    with pytest.raises(InputError, match=r"'fast'.*auto, exact, chebyshev"):
        interactive_attention(main, main, torch.ones(1, 1), method="fast")  # type: ignore[arg-type]
