"""How training would scale over the GPUs of one machine, by reckoning alone.

An update takes the longest of three: operations over the card's arithmetic, bytes read and written
over its memory's bandwidth, and calls of torch times what one takes to launch, all three counted
in one step on the processor. For more than one GPU there come on top legacy_ddp's copies of the
gradients into one buffer and back, and a ring's all-reduce, in which each GPU sends 2 (N - 1) / N
of the bytes in 2 (N - 1) messages. Nothing overlaps, as legacy_ddp has it, and loading data is
left out, and so is waiting for what the attention looks up on its way. The step that is counted
takes the attention's path of a GPU. The defaults are the data sheet of NVIDIA's A100 80 GB SXM in
float32 without TF32 and its links within one machine, and 5 microseconds a launch and a message.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from examples.benchmarks.device_limits import Work, work_of
from examples.benchmarks.steps import adam, make_batch, training_step
from mia_fairseq.complexity.cost import SetUp, build
from mia_fairseq.errors import InputError
from mia_fairseq.modules import interactive_attention
from mia_fairseq.modules.fast_attention import closed_form, query_rows

GPUS = (1, 2, 4, 8)
COPIES = 6  # gradients are read and written: into the buffer, divided there, and back
ASSUMED = {
    "arithmetic": (19.5e12, "operations a second"),
    "bandwidth": (2.039e12, "bytes a second that its memory reads and writes"),
    "launch": (5e-6, "seconds that a call of torch takes to launch"),
    "link": (300e9, "bytes a second from one GPU to the next, each way"),
    "message": (5e-6, "seconds that a message takes beside its bytes"),
}
NO_LAUNCH = (
    *(torch.ops.aten.empty, torch.ops.aten.empty_like, torch.ops.aten.empty_strided),
    *(torch.ops.aten.new_empty, torch.ops.aten.new_empty_strided, torch.ops.aten._unsafe_view),
)


@contextmanager
def path_of_a_gpu() -> Iterator[None]:
    """Within this context a processor computes attention by what a GPU would."""

    def first_degrees(batch: query_rows.Rows, _: float) -> list[float]:
        return [query_rows.DEVICE_DEGREE] * len(batch.width)

    with (
        patch.object(interactive_attention, "attend_by_reach", closed_form.closed_form_attention),
        patch.object(closed_form, "first_degrees", first_degrees),
    ):
        yield


class LaunchedCalls(TorchDispatchMode):
    """Counts operations that a GPU would be told to do: no views, and no memory that is got."""

    total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, given: Sequence[Any] = (), named: Any = None
    ) -> Any:
        self.total += not (function.is_view or function.overloadpacket in NO_LAUNCH)
        return function(*given, **(named or {}))


class Cards(NamedTuple):
    """What is assumed of GPUs and of what links them."""

    arithmetic: float  # operations a second
    bandwidth: float  # bytes a second
    launch: float  # seconds a call
    link: float  # bytes a second, each way
    message: float  # seconds

    def update(self, work: Work, calls: int) -> float:
        """Seconds of an update on one GPU."""
        limits = (work.operations / self.arithmetic, work.moved / self.bandwidth)
        return max(*limits, calls * self.launch)

    def reduce(self, size: float, gpus: int) -> float:
        """Seconds of copying and reducing so many bytes."""
        if gpus == 1:
            return 0.0
        messages = 2 * (gpus - 1)
        return (
            COPIES * size / self.bandwidth
            + messages / gpus * size / self.link
            + messages * self.message
        )

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Cards":
        """As a command was given them.

        Raises:
            InputError: one of them is not above 0.
        """
        given = {name: getattr(args, name) for name in ASSUMED}
        for name, value in given.items():
            if not 0 < value < math.inf:
                raise InputError(f"--{name} {value:g}: expected a number above 0; mend it")
        return cls(**given)

    def told(self) -> str:
        """For a report's notes."""
        return (
            f"assumed of each GPU, not measured: {self.arithmetic / 1e12:.3g} trillion operations "
            f"and {self.bandwidth / 1e9:.4g} GB a second, {1e6 * self.launch:.3g} microseconds a "
            f"launch; of a link {self.link / 1e9:.4g} GB a second each way, "
            f"{1e6 * self.message:.3g} microseconds a message"
        )


def add_assumptions(parser: argparse.ArgumentParser) -> None:
    """An option for each."""
    assumed = parser.add_argument_group("assumed of the GPUs on paper")
    for name, (value, told) in ASSUMED.items():
        assumed.add_argument(
            f"--{name}", type=float, default=value, help=f"{told} (default: %(default)g)"
        )


def estimate(
    cards: Cards, size: float, batch: int, setup: SetUp, seed: int
) -> list[dict[str, Any]]:
    """A row for each number of GPUs, of which each takes a batch.

    Args:
        cards: what is assumed.
        size: bytes into all-reduce.
        batch: rows a GPU.
        setup: of the model.
        seed: of its weights.
    """
    model = build("mia_net", setup, seed).train()
    step = training_step(
        model, make_batch(setup.dims, batch, seed), adam(model.parameters(), fused=True)
    )
    with path_of_a_gpu():
        step()
        work = work_of(step)
        with LaunchedCalls() as calls:
            step()
    alone = cards.update(work, calls.total)
    rows = []
    for gpus in GPUS:
        reducing = cards.reduce(size, gpus)
        faster = gpus * alone / (alone + reducing)
        rows.append(
            {
                "batch a GPU": batch,
                "GPUs": gpus,
                "M operations": work.operations / 1e6,
                "MB moved": work.moved / 1e6,
                "calls": calls.total,
                "ms an update": 1000 * (alone + reducing),
                "of which all-reduce": 1000 * reducing,
                "rows a second, against one": faster,
                "efficiency": faster / gpus,
            }
        )
    return rows
