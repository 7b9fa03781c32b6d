"""An epoch of fairseq-train by 1, 2 and 4 processes of this machine, and 8 GPUs on paper.

    python -m examples.benchmarks.training.scaling [--processes 1 2 4] [--quick] [--json FILE]

MIA-Net on 1,284 GENERATED rows of one vector a modality (text 1024, audio 768, video 256), trained
as in `epochs.py`, by fairseq's own distributed training: gloo, ``--ddp-backend legacy_ddp``, one
thread and batch 18 a process, so that an update of N processes sees N times the rows and an epoch
has an N-th of the updates. Of three epochs the second and third count: CPU seconds of all processes
together, and the wall clock of the slowest. Processes do not make a machine larger: on fewer cores
than processes an epoch cannot take less time by the clock than on as many processes as cores, and
what is measured there is what they cost each other. Bytes are of the tensors that go into
all-reduce, gradients and statistics; the time in all-reduce includes waiting for the slowest.

On paper, for GPUs of one machine (`gpus_on_paper.py` has the reckoning): from the bytes measured
here, and operations, bytes moved and calls of torch counted in one step on the processor. What the
cards do is an assumption, of which each is an option; no GPU has been measured for it.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from examples.benchmarks.corpus import MOSI_ROWS, write_corpus
from examples.benchmarks.device_limits import tensors
from examples.benchmarks.framework_tax import fairseq_train
from examples.benchmarks.processes import one_thread
from examples.benchmarks.steps import PAPER_BATCH, PAPER_DIMS
from examples.benchmarks.timing import Ratio, TimingReport, arguments, machine, start
from examples.benchmarks.training.epochs import train_flags
from examples.benchmarks.training.gpus_on_paper import Cards, add_assumptions, estimate
from examples.benchmarks.training_step import SMALL
from mia_fairseq.complexity.cost import SetUp
from mia_fairseq.errors import InputError

BATCHES = (PAPER_BATCH, 256)  # a GPU, of the estimate


class Rank:
    """Notes one process's epochs, and what it gives to all-reduce."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []  # CPU seconds, wall clock
        self.updates = 0  # since the first epoch
        self.bytes = 0
        self.reducing = 0.0  # seconds by the clock

    def after_update(self, end_of_epoch: bool) -> None:
        """Called when fairseq-train has done with an update."""
        self.updates += 1
        if end_of_epoch:
            self.ends.append((time.process_time(), time.perf_counter()))
        if len(self.ends) == 1 and end_of_epoch:
            self.updates, self.bytes, self.reducing = 0, 0, 0.0

    def noted(self, reduce: Callable[..., Any]) -> Callable[..., Any]:
        """all-reduce, whose bytes and seconds are summed."""

        def reduced(tensor: Any, *given: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            result = reduce(tensor, *given, **named)
            self.bytes += sum(t.numel() * t.element_size() for t in tensors(tensor))
            self.reducing += time.perf_counter() - begun
            return result

        return reduced

    def told(self) -> dict[str, Any]:
        """For the process that started this one."""
        cpu, wall = np.diff(np.array(self.ends), axis=0).T.tolist()
        per_update = {"bytes": self.bytes, "reducing": self.reducing}
        return {"cpu": cpu, "wall": wall, **{n: v / self.updates for n, v in per_update.items()}}


def train_rank(rank: int, world: int, data: str, size: int, folder: str) -> None:
    """fairseq-train as one of several processes, which each run this; notes go into the folder."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
    one_thread()
    flags = train_flags("mia_net", Path(data), size, "cpu", f"{folder}/checkpoints")
    flags += ["--distributed-world-size", str(world)]
    if world > 1:
        flags += ["--distributed-rank", str(rank), "--distributed-no-spawn"]
        flags += ["--distributed-init-method", f"file://{folder}/meeting"]
        flags += ["--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp"]
    notes = Rank()
    with patch.object(torch.distributed, "all_reduce", notes.noted(torch.distributed.all_reduce)):
        fairseq_train(flags, notes.after_update)
    Path(folder, f"{rank}.json").write_text(json.dumps(notes.told()))


class Epochs(NamedTuple):
    """Of all processes: an epoch each entry, but for what is of one update."""

    cpu: list[float]  # seconds, summed over processes
    wall: list[float]  # seconds of the slowest
    bytes: float  # into all-reduce, an update and process
    reducing: float  # seconds by the clock, an update, the processes' mean

    @classmethod
    def of(cls, told: Sequence[dict[str, Any]]) -> "Epochs":
        columns = {name: np.array([rank[name] for rank in told]) for name in told[0]}
        cpu, wall = columns["cpu"].sum(0).tolist(), columns["wall"].max(0).tolist()
        return cls(cpu, wall, float(columns["bytes"].mean()), float(columns["reducing"].mean()))


def train(world: int, data: Path, size: int) -> Epochs:
    """Trains by so many processes."""
    with TemporaryDirectory(dir=data.parent) as folder:
        given = (world, str(data), size, folder)
        torch.multiprocessing.spawn(train_rank, args=given, nprocs=world)
        told = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(world)]
    return Epochs.of(told)


def measure(args: argparse.Namespace) -> TimingReport:
    """Every number of processes in turn, then the estimate."""
    cards = Cards.of(args)
    if min(args.processes) < 1 or max(args.processes) < 2:
        raise InputError(
            f"--processes {' '.join(map(str, args.processes))}: expected numbers above 0, one of "
            "them above 1, since the estimate takes the bytes that several exchange; add 2"
        )
    dims, size, rows = PAPER_DIMS, PAPER_BATCH, MOSI_ROWS["train"]
    batches: Sequence[int] = BATCHES
    processes = args.processes
    if args.quick:
        dims, size, rows, batches, processes = SMALL, 4, 24, [4], processes[:2]
    cores = len(os.sched_getaffinity(0))
    taken: dict[int, list[Epochs]] = {number: [] for number in processes}
    with TemporaryDirectory() as folder:
        data = Path(folder) / "DATA"
        write_corpus(data, dims, {"train": rows, "valid": size}, args.seed)
        for _ in range(1 if args.quick else args.turns):
            for number in taken:
                taken[number].append(train(number, data, size))
    setting = {**machine(), **dims, "batch": size, "rows": rows, "cores": cores}
    report = TimingReport("Several processes", setting)
    cpu = {n: np.array([s for turn in turns for s in turn.cpu]) for n, turns in taken.items()}
    wall = {n: np.array([s for turn in turns for s in turn.wall]) for n, turns in taken.items()}
    reduced = {n: float(np.median([turn.bytes for turn in turns])) for n, turns in taken.items()}
    report.tables["an epoch"] = [
        {
            "processes": number,
            "updates": -(-rows // (size * number)),
            "CPU s, all together": float(np.median(cpu[number])),
            "wall s": float(np.median(wall[number])),
            "MB into all-reduce, an update": reduced[number] / 1e6,
            "wall ms in all-reduce, an update": 1000
            * float(np.median([turn.reducing for turn in turns])),
        }
        for number, turns in taken.items()
    ]
    first, *others = taken
    for number in others:
        name = f"{number} processes / {first}"
        report.ratios[f"{name}: CPU seconds"] = Ratio.of(cpu[number], cpu[first])
        report.ratios[f"{name}: wall seconds"] = Ratio.of(wall[number], wall[first])
    setup = SetUp(dims, outputs=1)
    report.tables["on paper"] = [
        row
        for batch in batches
        for row in estimate(cards, max(reduced.values()), batch, setup, args.seed)
    ]
    for number in taken:
        if number > cores:
            report.notes.append(
                f"{number} processes share {cores} of the machine's cores here, and so cannot be "
                f"faster by the clock than {cores} would be"
            )
    report.notes.append(cards.told())
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.set_defaults(turns=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    add_assumptions(parser)
    start(measure, parser)
