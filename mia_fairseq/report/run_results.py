"""Reads what `mia_fairseq.experiments` and the recipes wrote, for the report.

Nothing here fails on what it finds: runs that are missing, cut off, failed, unreadable or of an
older format are named in their row, and what is no run at all in its section.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import INDEX_FORMAT
from mia_fairseq.experiments.running.identity import CONTENT
from mia_fairseq.experiments.specification import experiment as experiments
from mia_fairseq.experiments.specification.experiment import Experiment
from mia_fairseq.experiments.summary_tables import columns_of
from mia_fairseq.report.evaluation_files import read_constant, read_predictions, read_results
from mia_fairseq.report.resampling.resampled_metrics import Predictions


@dataclass
class Seed:
    """One finished evaluation."""

    number: int
    folder: Path
    metrics: Mapping[str, Any]
    predictions: Predictions | None


@dataclass
class TableRow:
    """One row: its seeds, the paper's numbers beside it, and what must be said."""

    name: str
    flags: Sequence[str] = ()
    seeds: list[Seed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    paper_name: str | None = None
    data: Path | None = None
    of: str | None = None  # the row it is compared with, where that is not the table's reference

    @property
    def flag_values(self) -> dict[str, str]:
        """Flags with values, by name without dashes."""
        pairs = zip(self.flags, [*self.flags, "--"][1:], strict=True)
        return {flag[2:]: value for flag, value in pairs if flag.startswith("--")}

    @property
    def predictions(self) -> list[Predictions]:
        """Of every seed, or none where they do not cover the same rows."""
        known = [seed.predictions for seed in self.seeds if seed.predictions is not None]
        same = all(
            one.ids == known[0].ids and np.array_equal(one.truth, known[0].truth) for one in known
        )
        return known if known and same and len(known) == len(self.seeds) else []


@dataclass
class Table:
    """The rows of one experiment on one corpus.

    Attributes:
        corpus: its name.
        data: the name of its folder.
        split: whose rows were predicted.
        rows: in their order.
        constant: metrics of one answer for every row, where the experiment asks for them.
    """

    corpus: str
    data: str
    split: str
    rows: list[TableRow] = field(default_factory=list)
    constant: Mapping[str, Any] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        first = next((seed.metrics for row in self.rows for seed in row.seeds), {})
        return (*columns_of(first), *(f"f1.{name}" for name in first.get("f1", {})))

    @property
    def main_metric(self) -> str:
        return "mae" if "mae" in self.columns else "weighted_f1"


@dataclass
class Section:
    """One experiment, or one folder of runs."""

    title: str
    experiment: Experiment | None = None
    tables: list[Table] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    printed: str = ""  # what the command of an experiment without runs printed


def sections_of(folders: Sequence[Path]) -> list[Section]:
    """A section for each experiment found in the folders, in the order of their names."""
    sections: list[Section] = []
    for folder in folders:
        found = sorted(folder.glob("index.json")) or sorted(folder.glob("*/index.json"))
        printed = sorted({*folder.glob("printed.md"), *folder.glob("*/printed.md")})
        sections += [_indexed(index) for index in found]
        sections += [_printed(file) for file in printed]
        if not found and not printed:
            sections.append(_loose(folder))
    return sections


def value(metrics: Mapping[str, Any], column: str) -> float | None:
    """One metric, ``f1.NAME`` for a class; None where it is not there or undefined."""
    name, _, part = column.partition(".")
    found = metrics.get(name)
    if part and isinstance(found, Mapping):
        found = found.get(part)
    return float(found) if isinstance(found, int | float) and np.isfinite(found) else None


def _indexed(file: Path) -> Section:
    section = Section(file.parent.name)
    try:
        index = json.loads(file.read_text())
        if index["format"] != INDEX_FORMAT:
            raise ValueError(f"format {index['format']}, expected {INDEX_FORMAT}")
        entries = list(index["rows"])
        chosen = experiments.load(str(index["experiment"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        section.problems.append(f"{file}: cannot be read ({error}); run the experiment again")
        return section
    section.experiment = chosen
    tables: dict[str, Table] = {}
    for entry in entries:
        try:
            _add_rows(section, chosen, entry, file.parent, tables)
        except (KeyError, TypeError) as error:
            section.problems.append(f"{file}: a row lacks {error}; run the experiment again")
    section.tables = [table for table in tables.values() if table.rows]
    if not section.tables:
        section.problems.append("no run has been planned; run the experiment")
    return section


def _add_rows(
    section: Section,
    chosen: Experiment,
    entry: Mapping[str, Any],
    base: Path,
    tables: dict[str, Table],
) -> None:
    wanted = "valid" if chosen.only_validation else "test"
    for evaluation in entry["evaluations"]:
        if evaluation["split"] != wanted:
            continue
        data = Path(evaluation["data"])
        if str(data) not in tables:
            store = _store(data, section)
            corpus = data.name if store is None else store.corpus
            tables[str(data)] = Table(corpus, data.name, wanted)
            tables[str(data)].constant = _constant(base / f"{data.name}.json", section, chosen)
        row = TableRow(
            evaluation["row"],
            entry["flags"],
            paper_name=evaluation["paper"],
            data=data,
            of=evaluation["of"],
        )
        seeds = _seeds(base / entry["folder"], evaluation["file"], row)
        row.seeds = [seed for seed in seeds if seed.number <= entry["seeds"]]
        stale = [seed.folder.name for seed in row.seeds if _of_other_rows(seed, evaluation["file"])]
        if stale:
            row.notes.append(f"{', '.join(stale)}: of other rows than DATA has now; run again")
        if len(row.seeds) < entry["seeds"]:
            row.notes.append(f"{len(row.seeds)} of {entry['seeds']} seeds are finished")
        tables[str(data)].rows.append(row)


def _of_other_rows(seed: Seed, evaluation: str) -> bool:
    """Whether a DATA folder has changed since a run was trained or evaluated on it."""
    for record in ("run.json", f"{evaluation}.about.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            made = json.loads((seed.folder / record).read_text())
            meta = json.loads(Path(made["data"], "meta.json").read_text())
            if made[CONTENT] != meta[CONTENT]:
                return True
    return False


def _store(data: Path, section: Section) -> Store | None:
    try:
        return Store(data)
    except InputError:
        problem = f"{data}: is not there any more, so its features are not described"
        if problem not in section.problems:
            section.problems.append(problem)
        return None


def _constant(file: Path, section: Section, chosen: Experiment) -> Mapping[str, Any] | None:
    if not chosen.constant or "constant" in [row.name for row in chosen.rows]:
        return None
    try:
        return read_constant(file)
    except (OSError, ValueError) as error:
        problem = f"{file}: its constant row cannot be read ({error}); run the experiment again"
        section.problems.append(problem)
        return None


def _seeds(runs: Path, evaluation: str, row: TableRow) -> Iterator[Seed]:
    for folder in sorted(runs.glob("seed*"), key=lambda path: (len(path.name), path.name)):
        if not folder.is_dir():
            continue
        failed = folder / "failed.txt"
        if failed.is_file():
            last = failed.read_text().strip().splitlines() or ["no output"]
            row.notes.append(f"{folder.name} failed: {last[-1]}")
        file = folder / f"{evaluation}.json"
        if not file.is_file():
            continue
        try:
            metrics = read_results(file)
            several = "by_label" in metrics
            predictions, problem = read_predictions(file.with_suffix(".tsv"), several=several)
        except (OSError, ValueError) as error:
            row.notes.append(f"{folder.name}: {file.name} cannot be read ({error}); evaluate again")
            continue
        if problem:
            row.notes.append(f"{folder.name}: {problem}, so there are no intervals")
        yield Seed(int(folder.name[4:] or 0), folder, metrics, predictions)


def _printed(file: Path) -> Section:
    name = file.parent.name
    known = name in experiments.names()
    return Section(name, experiments.load(name) if known else None, printed=file.read_text())


def _loose(folder: Path) -> Section:
    """Runs without an index, such as a recipe's: FOLDER/ROW/seedN/test.json, by corpus."""
    section = Section(folder.name)
    tables: dict[str, Table] = {}
    for runs in sorted({path.parent for path in folder.glob("**/seed*") if path.is_dir()}):
        row = TableRow(runs.name.replace("_", " "))
        row.seeds = list(_seeds(runs, "test", row))
        unfinished = sum(path.is_dir() for path in runs.glob("seed*")) - len(row.seeds)
        if unfinished:
            row.notes.append(f"{unfinished} seeds are not finished")
        about = [json.dumps([seed.metrics.get("corpus"), seed.metrics["n"]]) for seed in row.seeds]
        if len(set(about)) > 1:
            row.notes.append(f"its seeds are of different data ({', '.join(sorted(set(about)))})")
        kind = "scores" if row.seeds and "mae" in row.seeds[0].metrics else "classes"
        corpus = str(row.seeds[0].metrics.get("corpus")) if row.seeds else "unknown corpus"
        key = f"{corpus}, {kind}" if row.seeds else corpus
        tables.setdefault(key, Table(corpus, kind if row.seeds else "no results", "test"))
        tables[key].rows.append(row)
    section.tables = list(tables.values())
    if not folder.is_dir():
        section.problems.append(f"{folder}: there is no such folder")
    elif not section.tables:
        section.problems.append(f"{folder}: holds no runs")
    return section
