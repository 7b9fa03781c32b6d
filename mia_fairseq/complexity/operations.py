"""Counts the operations of a forward pass, part by part of a model.

The rules, in full:

- A multiply-accumulate (MAC) is one multiplication and one addition. Matrix products and
  convolutions are counted by torch's own `FlopCounterMode`, which counts two operations for each
  MAC; a bias is where an accumulation starts and costs nothing.
- Every other operation on floating numbers costs one operation an element, of its largest input or
  output: additions, products, divisions, roots, comparisons, sums, means, ReLU. `COSTS` has those
  that cost more, e.g. five for layer norm.
- Exponentials, logarithms, sines and error functions are told apart: softmax, sigmoid and their
  like cost one for each element, beside their other operations.
- Moving, copying, making and converting numbers is free, and so is all work on integers and truth
  values, i.e. masks and indices.

Attention is written out (torch's fused kernels would hide their products and exponentials), and
what custom autograd functions do in their forward pass is counted like everything else.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.module_tracker import ModuleTracker

COSTS = {  # exponentials, other operations; for each element
    **dict.fromkeys(("exp", "exp2", "expm1", "log", "log2", "log1p", "erf", "erfc"), (1, 0)),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan"), (1, 0)),
    **dict.fromkeys(("sinh", "cosh", "asinh", "acosh", "atanh"), (1, 0)),
    "sigmoid": (1, 3),  # negate, exp, add, divide
    "tanh": (1, 4),
    "gelu": (1, 4),
    "silu": (1, 4),
    "softplus": (2, 1),
    "_softmax": (1, 3),  # subtract the largest, exp, sum, divide
    "_safe_softmax": (1, 3),
    "_log_softmax": (1, 3),
    "logsumexp": (1, 2),
    "native_layer_norm": (0, 5),  # sum, centre, sum of squares, divide, scale and shift
    "native_batch_norm": (0, 2),  # by known statistics: normalize, scale and shift
}
MOVES = frozenset(
    {
        *("_to_copy", "_unsafe_view", "cat", "clone", "constant_pad_nd", "copy", "detach", "empty"),
        *(
            "empty_like",
            "fill",
            "flip",
            "full_like",
            "gather",
            "index",
            "index_put",
            "index_select",
        ),
        *("lift_fresh", "masked_select", "new_empty", "new_full", "new_ones", "new_zeros"),
        *("ones_like", "rand_like", "randn_like", "repeat", "roll", "scatter", "stack", "zero"),
        *("zeros_like", "_local_scalar_dense", "nonzero", "new_empty_strided", "resize"),
    }
)


class Operations(NamedTuple):
    """Operations of one part."""

    macs: int = 0  # in matrix products and convolutions
    other: int = 0  # additions, products, comparisons … elsewhere
    exponentials: int = 0

    @property
    def total(self) -> int:
        """All, each operation and each exponential counted like one MAC."""
        return self.macs + self.other + self.exponentials

    def plus(self, more: "Operations") -> "Operations":
        """The sum of both."""
        return Operations(*(mine + theirs for mine, theirs in zip(self, more, strict=True)))


def count_operations(
    model: nn.Module, run: Callable[[], Any], parts: Mapping[str, Sequence[str]]
) -> dict[str, Operations]:
    """What a forward pass costs, by parts of the model.

    Args:
        model: in the state (training or not) to be counted.
        run: calls the model once.
        parts: for each part's name, the submodules that make it up, which must not overlap.

    Returns:
        The operations of each part, and under ``rest`` those outside all of them.
    """
    root = type(model).__name__
    names = {part: [f"{root}.{module}" for module in parts[part]] for part in parts}
    elements = _ElementCounter(names)
    with torch.no_grad(), _written_out(), FlopCounterMode(display=False) as flops, elements:
        run()
    counts = flops.get_flop_counts()

    def macs(modules: Sequence[str]) -> int:
        return sum(sum(counts.get(module, {}).values()) for module in modules) // 2

    result = {
        part: Operations(macs(modules), elements.other[part], elements.exponentials[part])
        for part, modules in names.items()
    }
    known = sum(operations.macs for operations in result.values())
    result["rest"] = Operations(
        macs(["Global"]) - known, elements.other["rest"], elements.exponentials["rest"]
    )
    return result


@contextmanager
def _written_out() -> Iterator[None]:
    """No fused attention, and no fused Transformer layers."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


class _ElementCounter(TorchDispatchMode):
    """Counts what is neither a matrix product nor a convolution.

    Args:
        names: the modules of each part, as `ModuleTracker` names them.
    """

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.parts = {module: part for part, modules in names.items() for module in modules}
        self.other: Counter[str] = Counter()
        self.exponentials: Counter[str] = Counter()
        self.tracker = ModuleTracker()
        self.stack = ExitStack()

    def __enter__(self) -> "_ElementCounter":
        self.stack.enter_context(self.tracker)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.stack.close()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        exponentials, other = _cost(func, args, kwargs or {}, out)
        part = next((self.parts[m] for m in self.tracker.parents if m in self.parts), "rest")
        self.exponentials[part] += exponentials
        self.other[part] += other
        return out


def _cost(func: Any, args: Any, kwargs: Any, out: Any) -> tuple[int, int]:
    """Exponentials and other operations of one call."""
    packet = func.overloadpacket
    name = packet.__name__.rstrip("_")
    if packet in flop_registry or func.is_view or name in MOVES:
        return 0, 0
    given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    floating = [x for x in given if x.is_floating_point()]
    if not floating:
        return 0, 0
    results = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
    elements = max(x.numel() for x in floating + results)
    if name == "pow":
        return _cost_of_power(args[1], elements)
    if name.startswith("_linalg_eigh"):
        return 0, elements * floating[0].shape[-1]  # of the order of n³
    each = COSTS.get(name, (0, 1))
    return elements * each[0], elements * each[1]


def _cost_of_power(exponent: Any, elements: int) -> tuple[int, int]:
    """Whole exponents are products, 0.5 is a root, the rest exponentials."""
    if isinstance(exponent, int):
        return 0, elements * max(abs(exponent) - 1, 1)
    return (0, elements) if exponent == 0.5 else (elements, 0)
