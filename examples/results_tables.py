"""Published results in the documents: their tables, and the figures in their sentences.

    python -m examples.results_tables --keep NAME "Title=runs/EXPERIMENT/DATA.json" ...
    python -m examples.results_tables            # writes tables and figures into the documents
    python -m examples.results_tables --check    # fails where they and the results differ

``--keep`` copies an experiment's rows, and what made them, into ``examples/results/NAME.json``.
The documents (README.md and docs/) take them up by two marks:

    <!-- results: NAME --> ... <!-- /results -->
        the tables of NAME.json, or one of them: ``NAME | TITLE``
    <!-- figure: NAME | TITLE | ROW | METRIC -->.773<!-- /figure -->
        the mean over seeds, written as the figure that stands there is: its decimals, with or
        without its zero, ``.773 ± .005``, or ``77.3 %``. METRIC may be ``valid mae``, of validation
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from examples.kept_results import keep
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.summary_tables import summarize
from mia_fairseq.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results")
PLACE = re.compile(
    r"(<!-- results: ([\w-]+)(?: \| ([^\n]+?))? -->\n)(.*?)(<!-- /results -->)", flags=re.DOTALL
)
FIGURE = re.compile(r"(<!-- figure: ([^>]+?) -->)(.*?)(<!-- /figure -->)", flags=re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]*`", flags=re.DOTALL)
OURS = re.compile(r"(?<![\w.])(?:\.\d{2,}|0\.\d{3,})")  # as figures of ours are written
NUMBER = re.compile(r"(?:(0)|\d*)\.(\d+)(\s±\s\d*\.\d+)?|\d+\.(\d+) %")
Tables = list[dict[str, Any]]


def main(argv: Sequence[str] | None = None) -> None:
    """Keeps results, and writes or checks the documents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--documents", type=Path, nargs="+", default=documents(), help="README.md and docs/*.md"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--keep", nargs="+", metavar=("NAME", "TITLE=FILE"))
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    args = parser.parse_args(argv)
    if args.keep:
        keep(args.keep[0], args.keep[1:], args.results)
    files = {path.stem: _read(path) for path in sorted(args.results.glob("*.json"))}
    texts = {path: path.read_text(encoding="utf-8") for path in args.documents}
    placed = {place[1] for text in texts.values() for place in PLACE.findall(text)}
    for name in files.keys() - placed:
        raise InputError(
            f"{args.results / name}.json: no document has a place for it; add <!-- results: {name} "
            "--> and <!-- /results --> on lines of their own, or remove the file"
        )
    for path, before in texts.items():
        _check_marked(before, path)
        after = filled(before, files, path)
        if args.check and before != after:
            raise InputError(
                f"{path}: {_first_difference(before, after)}; run python -m examples.results_tables"
            )
        if before != after:
            write_whole(path, after)
    shown = sum(len(PLACE.findall(t)) + len(FIGURE.findall(t)) for t in texts.values())
    print(f"{shown} tables and figures in {len(texts)} documents")


def documents() -> list[Path]:
    """The documents of this repository."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str, files: dict[str, Tables], path: Path) -> str:
    """A document with every mark filled from the results.

    Raises:
        InputError: a mark names results, a row or a metric that is not there.
    """
    text = PLACE.sub(partial(_table, files=files, path=path), text)
    return FIGURE.sub(partial(_figure, files=files, path=path), text)


def _check_marked(text: str, path: Path) -> None:
    """Raises `InputError` where a sentence has a figure of ours that no results vouch for."""
    for marked in (PLACE, FIGURE, CODE):
        text = marked.sub(lambda place: "\n" * place[0].count("\n"), text)
    for number, line in enumerate(text.split("\n"), start=1):
        found = OURS.search(line)
        if found and not line.startswith("|"):
            raise InputError(
                f"{path}, line {number}: {found[0]} comes from no results; mark it with <!-- "
                "figure: NAME | TITLE | ROW | METRIC -->, or say it without a number"
            )


def _table(place: re.Match[str], files: dict[str, Tables], path: Path) -> str:
    opening, name, title, _, closing = place.groups()
    tables = files.get(name)
    if tables is None:
        raise InputError(
            f"{path}: the table {name!r} has no {name}.json, so nothing vouches for it; keep its "
            f"results with --keep {name}"
        )
    chosen = [table for table in tables if title in (None, table["title"])]
    if not chosen:
        raise _no_such(path, place, title, [table["title"] for table in tables])
    texts = [
        (f"{table['title']}:\n\n" if title is None else "")
        + f"{summarize(table['rows'], _differences(table))}\n"
        for table in chosen
    ]
    return opening + "\n".join(texts) + closing


def _differences(table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """A column of differences to the reference; a star where one is settled, by Holm."""
    compared = table.get("compared")
    if compared is None:
        return {}
    texts = {
        name: "{:+.3f} [{:+.3f}, {:+.3f}]".format(row["difference"], *row["difference_interval"])
        + (" *" if row["settled"] else "")
        for name, row in compared["rows"].items()
        if "difference" in row
    }
    return {f"{compared['metric']} − {compared['reference']}'s [95 %]": texts}


def _figure(place: re.Match[str], files: dict[str, Tables], path: Path) -> str:
    opening, what, shown, closing = place.groups()
    words = [word.strip() for word in what.split("|")]
    if len(words) != 4:
        raise InputError(
            f"{path}: {opening} has {len(words)} parts; expected NAME | TITLE | ROW | METRIC"
        )
    name, title, row, metric = words
    if name not in files:
        raise _no_such(path, place, name, list(files))
    titles = {table["title"]: table for table in files[name]}
    if title not in titles:
        raise _no_such(path, place, title, list(titles))
    table = titles[title]
    seeds = table["rows"]
    if metric.startswith("valid "):
        metric = metric.removeprefix("valid ")
        seeds = {name: made["valid"] for name, made in table.get("made_of", {}).items()}
    if row not in seeds:
        raise _no_such(path, place, row, list(seeds))
    values = [seed.get(metric) for seed in seeds[row]]
    if None in values:
        raise _no_such(path, place, metric, list(seeds[row][0]))
    return opening + _as_shown(shown, np.array(values, float), path, opening) + closing


def _as_shown(shown: str, values: Any, path: Path, opening: str) -> str:
    """The mean, and the deviation where one is shown, in the way of the figure that is there."""
    wanted = NUMBER.fullmatch(shown)
    if wanted is None:
        raise InputError(
            f"{path}: {opening} holds {shown!r}; expected a figure such as .773, .773 ± .005 or "
            "77.3 % (of per cent without a deviation)"
        )
    zero, decimals, deviation, decimals_of_percent = wanted.groups()
    figures = [values.mean()]
    if deviation and len(values) < 2:
        raise InputError(
            f"{path}: {opening} shows a deviation, and its row has one seed; take it out"
        )
    if deviation:
        figures.append(values.std(ddof=1))
    if decimals_of_percent is not None:
        return f"{figures[0] * 100:.{len(decimals_of_percent)}f} %"
    texts = [f"{figure:.{len(decimals)}f}" for figure in figures]
    return " ± ".join(text if zero else text.removeprefix("0") for text in texts)


def _first_difference(before: str, after: str) -> str:
    lines = zip(before.split("\n"), after.split("\n"), strict=False)
    for number, (old, new) in enumerate(lines, start=1):
        if old != new:
            return f"line {number} differs from the results, which say {new!r}"
    return "its results differ from the files"


def _no_such(path: Path, place: re.Match[str], wanted: str, known: list[str]) -> InputError:
    mark = place.group(1).strip()
    return InputError(f"{path}: {mark}: no {wanted!r}; expected one of {', '.join(known)}")


def _read(file: Path) -> Tables:
    tables: Tables = json.loads(file.read_text(encoding="utf-8"))["tables"]
    return tables


if __name__ == "__main__":
    run_command(main)
