"""Every fusion's training epoch, and its latency for one utterance, on the same shapes.

    python -m examples.benchmarks.fusions [--arch mia_net lmf ...] [--quick] [--json FILE]

Text 1024, audio 768, video 256, one vector each, each fusion with its default settings and
adapters, float32, one thread. An epoch is MOSI's 1,284 training rows: the median step at batch 18
(forward, loss, backward, fused Adam) times 72. Latency is one utterance in evaluation. All fusions
take turns.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch

from examples.benchmarks.corpus import MOSI_ROWS
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


def latency(arch: str, setup: SetUp, seed: int) -> Callable[[], Any]:
    """One utterance through a fusion in evaluation."""
    model, one = build(arch, setup, seed), make_batch(setup.dims, 1, seed)

    def predict() -> None:
        with torch.inference_mode():
            model(one.features, one.lengths)

    return predict


def measure(args: argparse.Namespace) -> TimingReport:
    """Steps, then latencies, each in turn."""
    dims, size = (SMALL, 4) if args.quick else (PAPER_DIMS, PAPER_BATCH)
    turns = 2 if args.quick else args.turns
    setup = SetUp(dims, outputs=1)
    steps, parameters = {}, {}
    for arch in args.arch:
        model = build(arch, setup, args.seed).train()
        parameters[arch] = sum(p.numel() for p in model.parameters())
        batch = make_batch(dims, size, args.seed)
        steps[arch] = training_step(model, batch, adam(model.parameters()))
    taken = alternate(steps, turns)
    waits = alternate({arch: latency(arch, setup, args.seed) for arch in args.arch}, 5 * turns)
    updates = -(-MOSI_ROWS["train"] // size)
    first = args.arch[0]
    report = TimingReport("Every fusion", {**machine(), **dims, "batch": size})
    report.tables["fusions"] = [
        {
            "fusion": arch,
            "M parameters": parameters[arch] / 1e6,
            "ms a step": milliseconds(taken[arch]),
            "s an epoch": updates * milliseconds(taken[arch]) / 1000,
            f"step / {first}": str(Ratio.of(taken[arch], taken[first])),
            "ms batch 1": milliseconds(waits[arch]),
        }
        for arch in args.arch
    ]
    return report


if __name__ == "__main__":
    known = architectures()
    parser = arguments(__doc__)
    ordered = ["mia_net", *(name for name in known if name != "mia_net")]
    parser.add_argument("--arch", nargs="+", choices=known, default=ordered)
    start(measure, parser)
