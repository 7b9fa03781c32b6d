"""Cost and memory of MIA-Net over the number of modalities and over channels.

    python -m examples.benchmarks.sizes.growth [--plot FILE] [--device cuda] [--quick] [--json FILE]

With 2, 3, 4, 8 and 16 modalities (text 1024 the main one, auxiliaries of 768 and 256 in turn, one
channel), and with 1, 4, 16 and 64 channels (text, audio, video). Without adapters, whose cost
grows with the square of dims and has nothing to do with fusion. Operations are counted for one
utterance; a step is forward, backward and fused Adam at batch 18; memory is how far a fresh
process's resident set rises in one. The steps of one table take turns. R² is of a straight line
through operations, times or peaks against modalities, each with the auxiliaries' dims in turn, so
that the line is one through the auxiliaries' total dim.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from examples.benchmarks.device_limits import (
    DeviceLimits,
    add_device_option,
    rise_of_memory,
    work_of,
)
from examples.benchmarks.steps import BARE, PAPER_BATCH, PAPER_DIMS
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    r_squared,
    start,
)
from examples.benchmarks.training_step import SMALL, prepare
from mia_fairseq.complexity.cost import SetUp
from mia_fairseq.complexity.cost import measure as count

MODALITIES = (2, 3, 4, 8, 16)
CHANNELS = (1, 4, 16, 64)
MEASURES = ("M operations", "ms a step", "peak MiB")


def with_modalities(number: int, dims: Mapping[str, int]) -> dict[str, int]:
    """The main modality and `number` - 1 auxiliaries, whose dims come in turn."""
    (main, main_dim), *auxiliaries = dims.items()
    chosen = [auxiliaries[i % len(auxiliaries)] for i in range(number - 1)]
    return {main: main_dim, **{f"{name}_{i}": dim for i, (name, dim) in enumerate(chosen)}}


def table(
    column: str, setups: Mapping[int, SetUp], size: int, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """One row a set-up; the steps take turns."""
    device, limits = args.device, DeviceLimits.of(args.device, quick=args.quick)
    given = (size, args.seed, True)
    actions = {str(n): prepare("fast", setup, *given, False, device) for n, setup in setups.items()}
    taken = alternate(actions, 2 if args.quick else args.turns, device=device)
    rows = []
    for number, setup in setups.items():
        cost = count("mia_net", setup)
        peak = rise_of_memory(device, prepare, "fast", setup, *given, True, device)
        seconds = float(np.median(taken[str(number)]))
        rows.append(
            {
                column: number,
                "auxiliary dims": sum(list(setup.dims.values())[1:]),
                "M parameters": cost.core_parameters / 1e6,
                "M operations": cost.core_operations.total / 1e6,
                "ms a step": milliseconds(taken[str(number)]),
                "peak MiB": peak,
                **work_of(actions[str(number)]).shares(seconds, limits),
                "against the first": str(Ratio.of(taken[str(number)], next(iter(taken.values())))),
            }
        )
    return rows


def draw(report: TimingReport, path: Path) -> None:
    """One picture: each measure over modalities and over channels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(MEASURES), figsize=(11, 6), layout="constrained")
    for line, (column, rows) in zip(axes, report.tables.items(), strict=True):
        for axis, name in zip(line, MEASURES, strict=True):
            axis.plot([row[column] for row in rows], [row[name] for row in rows], marker="o")
            axis.set(xlabel=column, title=name, ylim=(0, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def measure(args: argparse.Namespace) -> TimingReport:
    """Both tables and, where asked for, the picture."""
    dims, size = (SMALL, 4) if args.quick else (PAPER_DIMS, PAPER_BATCH)
    numbers, channels = (MODALITIES[:2], CHANNELS[:1]) if args.quick else (MODALITIES, CHANNELS)
    report = TimingReport("Growth of MIA-Net", {**machine(args.device), **dims, "batch": size})
    by_number = {n: SetUp(with_modalities(n, dims), outputs=1, settings=BARE) for n in numbers}
    by_channels = {c: SetUp(dims, channels=c, outputs=1, settings=BARE) for c in channels}
    report.tables["modalities"] = table("modalities", by_number, size, args)
    report.tables["channels"] = table("channels", by_channels, size, args)
    for name in MEASURES:
        for against, column in (("modalities", "modalities"), ("auxiliary dims", "modalities")):
            rows = report.tables[column]
            fit = r_squared([row[against] for row in rows], [row[name] for row in rows])
            report.ratios[f"R² of a line, {name} over {against}"] = fit
    if args.plot:
        draw(report, args.plot)
    return report


if __name__ == "__main__":
    parser = add_device_option(arguments(__doc__))
    parser.add_argument("--plot", type=Path, help="draw the growth into this file")
    start(measure, parser)
