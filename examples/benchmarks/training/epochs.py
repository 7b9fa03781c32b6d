"""An epoch of fairseq-train on MOSI-shaped data, by fusion, and the same epoch by a bare loop.

    python -m examples.benchmarks.training.epochs [--arch mia_net lmf ...] [--device cuda] [--quick]

1,284 GENERATED rows of one vector a modality (text 1024, audio 768, video 256) are trained by
fairseq-train itself in this process, batch 18, the plugin's fused Adam, nothing validated or
saved: loading, collating, step, metrics and log are all in. Each turn trains every fusion for
three epochs, of which the second and third count, and then takes the same number of bare steps,
on rows in memory. `start-up` is what fairseq-train does before its first update ends (reading the
folder, the statistics of features, building the model, one step); what importing torch, fairseq
and the plugin takes is told below the table.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
import torch

from examples.benchmarks.corpus import MOSI_ROWS, write_corpus
from examples.benchmarks.device_limits import add_device_option
from examples.benchmarks.framework_tax import fairseq_train
from examples.benchmarks.processes import command_seconds
from examples.benchmarks.steps import (
    PAPER_BATCH,
    PAPER_DIMS,
    Batch,
    adam,
    make_batch,
    training_step,
)
from examples.benchmarks.timing import Ratio, TimingReport, arguments, machine, seconds, start
from examples.benchmarks.training_step import SMALL
from mia_fairseq.complexity.cost import SetUp, architectures, build

ARCHITECTURES = ("mia_net", "lmf", "tfn", "misa", "cross_transformer")
EPOCHS = 3  # a turn; the first does not count
IMPORTS = "import fairseq_cli.train; from mia_fairseq.plugin import register; register()"


class EpochTimes:
    """Notes when fairseq-train ends its first update, and each epoch."""

    def __init__(self, device: str) -> None:
        self.device, self.begun = device, seconds(device)
        self.first: float | None = None
        self.ends: list[float] = []

    def after_update(self, end_of_epoch: bool) -> None:
        """Called when fairseq-train has done with an update."""
        now = seconds(self.device)
        self.first = now if self.first is None else self.first
        if end_of_epoch:
            self.ends.append(now)

    @property
    def start_up(self) -> float:
        """Seconds until the first update has ended."""
        return (self.first or self.begun) - self.begun

    @property
    def epochs(self) -> list[float]:
        """Seconds of each epoch but the first."""
        return np.diff(self.ends).tolist()


def train_flags(arch: str, data: Path, size: int, device: str, save_dir: str) -> list[str]:
    """Of a fairseq-train that neither validates nor saves."""
    flags = [str(data), "--user-dir", "mia_fairseq", "--task", "multimodal_affect", "--arch", arch]
    flags += ["--criterion", "mae_krl", "--no-save", "--no-progress-bar", "--patience", "-1"]
    flags += ["--optimizer", "adam_fused", "--batch-size", str(size)]
    flags += ["--max-epoch", str(EPOCHS), "--save-dir", save_dir]
    return flags + (["--cpu"] if device == "cpu" else [])


def train(arch: str, data: Path, size: int, device: str) -> EpochTimes:
    """fairseq-train in this process."""
    flags = train_flags(arch, data, size, device, mkdtemp(dir=data.parent))
    times = EpochTimes(device)
    fairseq_train(flags, times.after_update)
    return times


def bare_epoch(
    arch: str, setup: SetUp, rows: int, size: int, seed: int, device: str
) -> Callable[[], Any]:
    """As many steps on rows in memory as an epoch has."""
    model = build(arch, setup, seed).train().to(device)
    optimizer = adam(model.parameters())
    whole = make_batch(setup.dims, rows, seed)

    def act() -> None:
        for chosen in torch.randperm(rows).split(size):
            features = {name: values[chosen] for name, values in whole.features.items()}
            lengths = {name: values[chosen] for name, values in whole.lengths.items()}
            batch = Batch(features, lengths, whole.target[chosen]).to(device)
            training_step(model, batch, optimizer)()

    return act


def measure(args: argparse.Namespace) -> TimingReport:
    """Every fusion in turn."""
    dims, size, rows = PAPER_DIMS, PAPER_BATCH, MOSI_ROWS["train"]
    if args.quick:
        dims, size, rows = SMALL, 4, 24
    turns, setup = 1 if args.quick else args.turns, SetUp(dims, outputs=1)
    ours: dict[str, list[float]] = {arch: [] for arch in args.arch}
    loops: dict[str, list[float]] = {arch: [] for arch in args.arch}
    starts: dict[str, list[float]] = {arch: [] for arch in args.arch}
    with TemporaryDirectory() as folder:
        data = Path(folder) / "DATA"
        write_corpus(data, dims, {"train": rows, "valid": size}, args.seed)
        loop = {a: bare_epoch(a, setup, rows, size, args.seed, args.device) for a in args.arch}
        for _ in range(turns):
            for arch in args.arch:
                times = train(arch, data, size, args.device)
                ours[arch] += times.epochs
                starts[arch].append(times.start_up)
                for _ in times.epochs:
                    begun = seconds(args.device)
                    loop[arch]()
                    loops[arch].append(seconds(args.device) - begun)
    setting = {**machine(args.device), **dims, "batch": size, "rows": rows}
    report = TimingReport("An epoch of the real thing", setting)
    report.tables["seconds"] = [
        {
            "fusion": arch,
            "fairseq-train, an epoch": float(np.median(ours[arch])),
            "bare loop, an epoch": float(np.median(loops[arch])),
            "start-up": float(np.median(starts[arch])),
        }
        for arch in args.arch
    ]
    first, *others = args.arch
    for arch in others:
        ratio = Ratio.of(np.array(ours[first]), np.array(ours[arch]))
        report.ratios[f"an epoch of fairseq-train: {first} / {arch}"] = ratio
    for arch in args.arch:
        ratio = Ratio.of(np.array(ours[arch]), np.array(loops[arch]))
        report.ratios[f"{arch}: fairseq-train / bare loop"] = ratio
    taken = command_seconds([sys.executable, "-c", IMPORTS])
    report.notes.append(f"importing torch, fairseq and the plugin takes {taken:.3g} CPU seconds")
    return report


if __name__ == "__main__":
    parser = add_device_option(arguments(__doc__))
    parser.set_defaults(turns=3)
    known = architectures()
    parser.add_argument("--arch", nargs="+", choices=known, default=list(ARCHITECTURES))
    start(measure, parser)
