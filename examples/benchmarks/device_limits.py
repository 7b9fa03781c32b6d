"""What a device can do at most, and what share of it an action takes.

The limits are measured on the same device in the same run: a copy of a large tensor for the
memory, a product of large matrices for the arithmetic. The work of an action is counted while it
runs once: operations of matrix products and convolutions, forward and backward (torch's
`FlopCounterMode`, to which attention on a processor is added), and the bytes of every tensor that
an operation reads or writes, as if nothing stayed in a cache; so the share of the memory may pass
1 where caches hold what is read again.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from examples.benchmarks.processes import peak_memory
from examples.benchmarks.timing import alternate

COPY = {"cpu": 1 << 24, "cuda": 1 << 28}  # numbers of four bytes that are copied
SIDE = {"cpu": 1024, "cuda": 8192}  # of the matrices
TURNS = 7


def add_device_option(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """``--device``, for benchmarks that run on a GPU too."""
    parser.add_argument(
        "--device", default="cpu", help="cpu, or a GPU such as cuda or cuda:1 (default: cpu)"
    )
    return parser


class Work(NamedTuple):
    """What an action does once."""

    operations: int  # a product and a sum are two
    moved: int  # bytes read and written

    def shares(self, seconds: float, limits: "DeviceLimits") -> dict[str, float]:
        """Columns for a report: which part of the device's limits a time in seconds uses."""
        return {
            "share of memory": self.moved / seconds / limits.bandwidth,
            "share of arithmetic": self.operations / seconds / limits.arithmetic,
        }


class MovedBytes(TorchDispatchMode):
    """Sums the bytes of what operations read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, given: Sequence[Any] = (), named: Any = None
    ) -> Any:
        result = function(*given, **(named or {}))
        if not function.is_view:
            self.total += sum(t.numel() * t.element_size() for t in tensors((given, named, result)))
        return result


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in arguments, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Operations of attention, of its tensors' shapes."""
    return int(sdpa_flop_count(query, key, value))


def _attention_backward(out: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(out, query, key, value))


ON_PROCESSORS = {  # torch counts those of GPUs alone
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def work_of(action: Callable[[], Any]) -> Work:
    """Counts what an action does, which is taken once."""
    counter = FlopCounterMode(display=False, custom_mapping=ON_PROCESSORS)
    with MovedBytes() as moved, counter:
        action()
    return Work(counter.get_total_flops(), moved.total)


@dataclass(frozen=True)
class DeviceLimits:
    """What a device was seen to do at most.

    Attributes:
        bandwidth: bytes a second, read and written.
        arithmetic: operations a second, in float32 as torch is set.
    """

    bandwidth: float
    arithmetic: float

    @classmethod
    def of(cls, device: str, *, quick: bool = False) -> "DeviceLimits":
        """Measures them, the best of some turns."""
        kind = torch.device(device).type
        numbers, side = COPY[kind], SIDE[kind]
        if quick:
            numbers, side = 1 << 16, 64
        source = torch.ones(numbers, device=device)
        target, matrix = torch.empty_like(source), torch.ones(side, side, device=device)
        product = torch.empty_like(matrix)
        taken = alternate(
            {"copy": lambda: target.copy_(source), "product": lambda: multiply(matrix, product)},
            TURNS,
            device=device,
        )
        fastest = {name: max(float(seconds.min()), 1e-9) for name, seconds in taken.items()}
        return cls(8 * numbers / fastest["copy"], 2 * side**3 / fastest["product"])

    def told(self) -> str:
        """For a report's notes."""
        return (
            f"measured limits of the device: {self.bandwidth / 1e9:.3g} GB a second copied, "
            f"{self.arithmetic / 1e9:.3g} billion operations a second multiplied"
        )


def multiply(matrix: Tensor, product: Tensor) -> None:
    """The square of a matrix, into memory that is there."""
    torch.mm(matrix, matrix, out=product)


def rise_of_memory(device: str, prepare: Callable[..., Callable[[], Any]], *given: Any) -> float:
    """MiB by which an action's memory rises: of a fresh process, or of what torch has on a GPU.

    Args:
        device: where it runs.
        prepare: as `processes.peak_memory` has it.
        given: its arguments.
    """
    if device == "cpu":
        return peak_memory(prepare, *given)
    action = prepare(*given)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    action()
    torch.cuda.synchronize(device)
    return float((torch.cuda.max_memory_allocated(device) - before) / 2**20)
