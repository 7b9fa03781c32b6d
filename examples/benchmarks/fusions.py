"""Every fusion's training epoch, and its latency for one utterance, on the same shapes.

    python -m examples.benchmarks.fusions [--arch mia_net lmf ...] [--device cuda] [--quick]

Text 1024, audio 768, video 256, one vector each, each fusion with its default settings and
adapters, float32, one thread. An epoch is MOSI's 1,284 training rows: the median step at batch 18
(forward, loss, backward, fused Adam) times 72. Latency is one utterance in evaluation. All fusions
take turns.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from examples.benchmarks.corpus import MOSI_ROWS
from examples.benchmarks.device_limits import DeviceLimits, add_device_option, work_of
from examples.benchmarks.steps import (
    PAPER_BATCH,
    PAPER_DIMS,
    adam,
    make_batch,
    training_step,
)
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    start,
)
from examples.benchmarks.training_step import SMALL
from mia_fairseq.complexity.cost import SetUp, architectures, build


def latency(arch: str, setup: SetUp, seed: int, device: str) -> Callable[[], Any]:
    """One utterance through a fusion in evaluation."""
    model = build(arch, setup, seed).to(device)
    one = make_batch(setup.dims, 1, seed).to(device)

    def predict() -> None:
        with torch.inference_mode():
            model(one.features, one.lengths)

    return predict


def measure(args: argparse.Namespace) -> TimingReport:
    """Steps, then latencies, each in turn."""
    dims, size = (SMALL, 4) if args.quick else (PAPER_DIMS, PAPER_BATCH)
    turns, device = 2 if args.quick else args.turns, args.device
    setup = SetUp(dims, outputs=1)
    steps, parameters = {}, {}
    for arch in args.arch:
        model = build(arch, setup, args.seed).train().to(device)
        parameters[arch] = sum(p.numel() for p in model.parameters())
        batch = make_batch(dims, size, args.seed).to(device)
        steps[arch] = training_step(model, batch, adam(model.parameters()))
    taken = alternate(steps, turns, device=device)
    ones = {arch: latency(arch, setup, args.seed, device) for arch in args.arch}
    waits = alternate(ones, 5 * turns, device=device)
    limits = DeviceLimits.of(device, quick=args.quick)
    updates = -(-MOSI_ROWS["train"] // size)
    first = args.arch[0]
    report = TimingReport("Every fusion", {**machine(device), **dims, "batch": size})
    report.notes.append(limits.told())
    report.tables["fusions"] = [
        {
            "fusion": arch,
            "M parameters": parameters[arch] / 1e6,
            "ms a step": milliseconds(taken[arch]),
            "s an epoch": updates * milliseconds(taken[arch]) / 1000,
            f"step / {first}": str(Ratio.of(taken[arch], taken[first])),
            "ms batch 1": milliseconds(waits[arch]),
            **work_of(steps[arch]).shares(float(np.median(taken[arch])), limits),
        }
        for arch in args.arch
    ]
    return report


if __name__ == "__main__":
    known = architectures()
    parser = add_device_option(arguments(__doc__))
    ordered = ["mia_net", *(name for name in known if name != "mia_net")]
    parser.add_argument("--arch", nargs="+", choices=known, default=ordered)
    start(measure, parser)
