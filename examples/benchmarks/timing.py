"""What every benchmark shares: timing in turn, its options, and the report.

Times of two things are only ever compared within one run, in which they take turns, on one
thread. They are the process's CPU time, so that what else runs on the machine counts little; on a
GPU the time by the clock until the GPU has done. A ratio is that of the medians; beside it stand
the quartiles of the ratios turn by turn, which tell how much the machine swayed meanwhile.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from examples.benchmarks.processes import one_thread
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_json

Times = dict[str, NDArray[np.float64]]


def seconds(device: str = "cpu") -> float:
    """Now, by the clock that every benchmark reads: CPU seconds, or a GPU's by the wall clock."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def alternate(
    actions: Mapping[str, Callable[[], Any]], turns: int, warm_up: int = 2, device: str = "cpu"
) -> Times:
    """Seconds of each action, (turns,), the actions taken in turn; the first turns do not count."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(turns + warm_up):
        for name, action in actions.items():
            start = seconds(device)
            action()
            if turn >= warm_up:
                taken[name].append(seconds(device) - start)
    return {name: np.array(seconds) for name, seconds in taken.items()}


@dataclass(frozen=True)
class Ratio:
    """How two times taken in turn compare."""

    value: float  # of the medians
    low: float  # quartiles of the ratios of each turn
    high: float

    @classmethod
    def of(cls, one: NDArray[np.float64], other: NDArray[np.float64]) -> "Ratio":
        low, high = np.quantile(one / other, [0.25, 0.75])
        return cls(float(np.median(one) / np.median(other)), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def milliseconds(seconds: NDArray[np.float64]) -> float:
    """The median, in ms."""
    return 1000 * float(np.median(seconds))


def r_squared(x: Sequence[float], y: Sequence[float]) -> float:
    """Of a straight line through the points; 1 where y does not vary."""
    if len(set(y)) < 2:
        return 1.0
    return float(np.corrcoef(x, y)[0, 1] ** 2)


@dataclass
class TimingReport:
    """What a benchmark found, for reading (Markdown) and for machines (JSON)."""

    title: str
    setting: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ratios: dict[str, Ratio | float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Title, setting, tables, ratios, notes."""
        told = ", ".join(f"{name} {value}" for name, value in self.setting.items())
        lines = [f"# {self.title}", "", told]
        for name, rows in self.tables.items():
            columns = list(rows[0]) if rows else []
            lines += ["", f"**{name}**", "", "| " + " | ".join(columns) + " |"]
            lines.append("| " + " | ".join("---" for _ in columns) + " |")
            lines += ["| " + " | ".join(_shown(row[c]) for c in columns) + " |" for row in rows]
        lines.append("")
        lines += [f"- {name}: **{_shown(ratio)}**" for name, ratio in self.ratios.items()]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        ratios = {
            name: vars(ratio) if isinstance(ratio, Ratio) else ratio
            for name, ratio in self.ratios.items()
        }
        return {
            "title": self.title,
            "setting": self.setting,
            "tables": self.tables,
            "ratios": ratios,
            "notes": self.notes,
        }


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def machine(device: str = "cpu") -> dict[str, Any]:
    """What ran: the start of every report's setting, with a GPU's name."""
    told = {"torch": torch.__version__, "machine": platform.machine(), "threads": 1}
    return told if device == "cpu" else {**told, "device": torch.cuda.get_device_name(device)}


def check_device(device: str) -> None:
    """Sees whether a device is there.

    Raises:
        InputError: it is not there.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"--device {device} cannot be used here ({reason}); name one that there is, or leave "
            "it out to measure on the processor"
        ) from error


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=21, help="how often each thing is timed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument(
        "--quick", action="store_true", help="small and few: shows that it runs, tells nothing"
    )
    return parser


def start(
    measure: Callable[[argparse.Namespace], TimingReport], parser: argparse.ArgumentParser
) -> None:
    """Runs a benchmark as a command: on one thread, with the report printed and written."""
    args = parser.parse_args()

    def benchmark() -> None:
        one_thread()
        check_device(getattr(args, "device", "cpu"))
        report = measure(args)
        if args.quick:
            report.notes.append("--quick: these figures say nothing")
        sys.stdout.write(report.markdown())
        if args.json:
            write_json(args.json, report.to_json())

    run_command(benchmark)
