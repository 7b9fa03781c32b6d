"""The page of benchmarks: runs them, keeps what they measured, and writes it into docs/speed.md.

    python -m examples.speed_page --run            # three runs of each, one after another
    python -m examples.speed_page --run dry_run    # of one
    python -m examples.speed_page                  # writes the page of what was kept
    python -m examples.speed_page --check          # fails where page and figures differ

``training.peer_epochs`` needs MMSA, and is run by its name only. A killed ``--run`` goes on with
``--keep``: runs that are there are not repeated.
"""

import argparse
import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
KEPT = Path(__file__).with_name("results") / "speed"
PAGE = ROOT / "docs" / "speed.md"
RUNS = 3
BENCHMARKS = (  # in the page's order
    *("training_step", "framework_tax", "exported", "answers.first_answer"),
    *("answers.folder_answers", "answers.heard_words", "fusions", "sizes.growth"),
    *("gradient_checkpointing", "corpora.opening", "dry_run"),
    *("corpora.extraction", "sizes.long_sequences", "training.epochs"),
    *("training.peer_epochs", "training.scaling", "training.encoder_tokens"),
)
BY_NAME = ("training.peer_epochs",)  # what it needs is not among the requirements
PICTURES = {"sizes.long_sequences": "long_sequences.svg"}  # in docs/, drawn by a benchmark's `draw`
HEAD = f"""# Speed

Written by `python -m examples.speed_page`; `--run` measures again. Two things are compared only
within one run, in which they take turns on one thread. Times are CPU time, so that what else runs
on the machine counts little. A ratio is that of the medians, in brackets the quartiles
of the turns. Each benchmark was run {RUNS} times, or as often as columns are shown; tables are of
the last run.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs benchmarks, and writes or checks the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", nargs="*", choices=BENCHMARKS, metavar="BENCHMARK")
    parser.add_argument("--keep", action="store_true", help="do not repeat runs that are there")
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    args = parser.parse_args(argv)
    if args.run is not None:
        measure(args.run or [n for n in BENCHMARKS if n not in BY_NAME], keep=args.keep)
    text = page(KEPT)
    if not args.check:
        draw_pictures(KEPT)
        write_whole(PAGE, text)
    elif PAGE.read_text(encoding="utf-8") != text:
        raise InputError(f"{PAGE}: is not of the figures kept; run python -m examples.speed_page")


def measure(names: Sequence[str], *, keep: bool) -> None:
    """Runs benchmarks, each `RUNS` times, one after another."""
    runs = [(name, number) for name in names for number in range(1, RUNS + 1)]
    for name, number in tqdm(runs, desc="benchmarks", unit="run"):
        place = KEPT.joinpath(*f"{name}.{number}.json".split(".", name.count(".")))
        if keep and place.is_file():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", f"examples.benchmarks.{name}", "--json", str(place)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def page(kept: Path) -> str:
    """The whole page, of the runs in a folder."""
    parts = [HEAD]
    for name in BENCHMARKS:
        files = sorted(kept.glob(f"{name.replace('.', '/')}.*.json"))
        if files:
            reports = [json.loads(file.read_text(encoding="utf-8")) for file in files]
            parts.append(section(name, reports))
    return "\n".join(parts)


def draw_pictures(kept: Path) -> None:
    """Draws each benchmark's last run, where it has a picture."""
    for name, picture in PICTURES.items():
        files = sorted(kept.glob(f"{name.replace('.', '/')}.*.json"))
        if files:
            report = json.loads(files[-1].read_text(encoding="utf-8"))
            drawn = importlib.import_module(f"examples.benchmarks.{name}")
            drawn.draw(report, PAGE.with_name(picture))


def section(name: str, reports: Sequence[dict[str, Any]]) -> str:
    """One benchmark: what it compares, its tables, and each run's ratios."""
    last = reports[-1]
    setting = ", ".join(f"{key} {value}" for key, value in last["setting"].items())
    lines = [f"## {last['title']}", "", what_it_does(name), ""]
    lines += [f"`python -m examples.benchmarks.{name}`: {setting}.", ""]
    for title, rows in last["tables"].items():
        lines += [f"{title}:", "", *table(list(rows[0]), [list(row.values()) for row in rows]), ""]
    if name in PICTURES:
        lines += [f"![{last['title']}]({PICTURES[name]})", ""]
    if last["ratios"]:
        head = ["ratio", *(f"run {number}" for number in range(1, len(reports) + 1))]
        rows = [
            [key, *(ratio(report["ratios"].get(key)) for report in reports)]
            for key in last["ratios"]
        ]
        lines += [*table(head, rows), ""]
    lines += [f"{note[0].upper()}{note[1:].rstrip('.')}.\n" for note in last["notes"]]
    return "\n".join(lines)


def what_it_does(name: str) -> str:
    """The first sentence of a benchmark's module."""
    file = (ROOT / "examples" / "benchmarks").joinpath(*name.split(".")).with_suffix(".py")
    source = file.read_text(encoding="utf-8")
    return str(ast.get_docstring(ast.parse(source))).splitlines()[0]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(shown(cell) for cell in line) + " |" for line in lines]


def shown(value: Any) -> str:
    """A cell, figures to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def ratio(value: Any) -> str:
    """``1.31 (1.29 to 1.33)``, or a single figure."""
    if isinstance(value, dict):
        return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    return "–" if value is None else shown(value)


if __name__ == "__main__":
    run_command(main)
