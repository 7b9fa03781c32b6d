"""How time and memory of MIA grow with dims, with the length of sequences, and with modalities.

    python -m examples.benchmarks.sizes.long_sequences [--device cuda] [--quick] [--json FILE]

- `dims`: one MIA module (Eq. 1-10) of one channel, main and auxiliary of d numbers each, forward
  and backward of a batch of 18.
- `dims of channels`: the same of four channels. Each of d queries weighs each of d keys there, so
  operations grow with the square of d, while memory does not.
- `frames`: MIA-Net without adapters, text of one vector of 1,024 and audio of up to 10,000 frames
  of 64 numbers, pooled to the means of four segments: a training step of 4 rows.
- `modalities`: MIA-Net without adapters on 2 to 16 modalities (text of 1,024, the others of 256):
  a training step of 18 rows.

Operations and bytes are counted while a step runs (device_limits.py); memory is how far a fresh
process's resident set rises in one. Steps of one table take turns. R² is of a straight line; where
a size doubles, what grows linearly does too, and what grows with the square fourfold.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from examples.benchmarks.device_limits import (
    DeviceLimits,
    add_device_option,
    rise_of_memory,
    work_of,
)
from examples.benchmarks.steps import BARE, Batch, adam, mia_net, training_step
from examples.benchmarks.timing import (
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    r_squared,
    start,
)
from mia_fairseq.complexity.cost import SetUp
from mia_fairseq.modules.mia import MIAModule

CHANNELS = 4
MODULES = {"dims": 1, "dims of channels": CHANNELS}  # where one module alone runs: its channels
AXES = {  # what grows, and how far
    "dims": (256, 512, 1024, 2048, 4096),
    "dims of channels": (256, 512, 1024, 2048, 4096),
    "frames": (625, 1250, 2500, 5000, 10_000),
    "modalities": (2, 4, 8, 16),
}
ROWS = {"dims": 18, "dims of channels": 18, "frames": 4, "modalities": 18}
TEXT, AUDIO, OTHER = 1024, 64, 256  # numbers a vector
MEASURES = ("M operations", "MB moved", "ms", "peak MiB")


def prepare(axis: str, size: int, seed: int, device: str) -> Callable[[], Any]:
    """A step ready to be taken; one has been, so that what libraries load once is there."""
    if axis not in MODULES:
        return step(axis, size, seed, device)
    if device == "cpu":
        module_step(MODULES[axis], 8, seed, device)()
    return module_step(MODULES[axis], size, seed, device)


def module_step(channels: int, dim: int, seed: int, device: str) -> Callable[[], Any]:
    """Forward and backward of one module."""
    torch.manual_seed(seed)
    module = MIAModule(channels).train().to(device)
    main, aux = (
        torch.randn(ROWS["dims"], channels, dim, device=device, requires_grad=True)
        for _ in range(2)
    )

    def act() -> None:
        module.zero_grad(set_to_none=True)
        main.grad = aux.grad = None
        module(main, aux).square().mean().backward()

    return act


def step(axis: str, size: int, seed: int, device: str) -> Callable[[], Any]:
    """A training step of MIA-Net."""
    dims = {"text": TEXT, "audio": AUDIO}
    if axis == "modalities":
        dims = {"text": TEXT, **{f"other_{i}": OTHER for i in range(size - 1)}}
    settings = (*BARE, "pooling=mean")
    setup = SetUp(dims, channels=CHANNELS, outputs=1, settings=settings)
    model = mia_net(setup, seed).to(device)
    batch = make_long_batch(dims, size if axis == "frames" else 1, ROWS[axis], seed)
    return training_step(model, batch.to(device), adam(model.parameters()))


def make_long_batch(dims: Mapping[str, int], frames: int, rows: int, seed: int) -> Batch:
    """Gaussian features: audio of some frames, of all else one vector."""
    generator = torch.Generator().manual_seed(seed)
    lengths = {name: frames if name == "audio" else 1 for name in dims}
    features = {
        name: torch.randn(rows, lengths[name], dim, generator=generator)
        for name, dim in dims.items()
    }
    counts = {name: torch.full((rows,), length) for name, length in lengths.items()}
    return Batch(features, counts, 6 * torch.rand(rows, generator=generator) - 3)


def grown(axis: str, args: argparse.Namespace, limits: DeviceLimits) -> list[dict[str, Any]]:
    """One row a size; the steps take turns."""
    sizes = AXES[axis][:2] if args.quick else AXES[axis]
    given = (args.seed, args.device)
    actions = {str(size): prepare(axis, size, *given) for size in sizes}
    taken = alternate(actions, 2 if args.quick else args.turns, device=args.device)
    rows = []
    for size in sizes:
        work = work_of(actions[str(size)])
        seconds = taken[str(size)]
        rows.append(
            {
                axis: size,
                "M operations": work.operations / 1e6,
                "MB moved": work.moved / 1e6,
                "ms": milliseconds(seconds),
                "peak MiB": rise_of_memory(args.device, prepare, axis, size, *given),
                **work.shares(float(np.median(seconds)), limits),
            }
        )
    return rows


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Each measure over each size, of a report as `TimingReport.to_json` has it, into an SVG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tables = report["tables"]
    style: Any = {"svg.hashsalt": "long_sequences", "svg.fonttype": "none", "font.size": 8}
    with matplotlib.rc_context(style):
        figure, axes = pyplot.subplots(
            len(tables), len(MEASURES), figsize=(10, 8.5), layout="constrained"
        )
        for line, (axis, rows) in zip(axes, tables.items(), strict=True):
            for place, name in zip(line, MEASURES, strict=True):
                sizes, found = [row[axis] for row in rows], [row[name] for row in rows]
                place.plot(sizes, found, marker="o")
                place.set(xlabel=axis, title=name, xlim=(0, None), ylim=(0, None))
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def measure(args: argparse.Namespace) -> TimingReport:
    """A table for each of what grows."""
    setting = {**machine(args.device), "channels": CHANNELS}
    report = TimingReport("Long sequences", setting)
    limits = DeviceLimits.of(args.device, quick=args.quick)
    report.notes.append(limits.told())
    for axis in AXES:
        rows = report.tables[axis] = grown(axis, args, limits)
        for name in MEASURES:
            if axis in MODULES:
                twice = rows[-1][name] / rows[-2][name]
                report.ratios[f"{name} at twice the {axis}"] = twice
            else:
                fit = r_squared([row[axis] for row in rows], [row[name] for row in rows])
                report.ratios[f"R² of a line, {name} over {axis}"] = fit
    return report


if __name__ == "__main__":
    parser = add_device_option(arguments(__doc__))
    parser.set_defaults(turns=11)
    start(measure, parser)
