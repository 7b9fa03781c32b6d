"""From an experiment and DATA folders to runs, and to the index that a report reads.

Below ``out`` there are ``all/``, the runs of all experiments, each in a folder named by what it
is (so that experiments share the runs that they have in common), and ``EXPERIMENT/index.json``,
which says which run belongs into which row.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.experiment import Experiment, Flags, Row, as_arguments, train_flags
from examples.runner import TEST, VALID, Evaluation, Run, locked
from mia_fairseq.data.store import Store
from mia_fairseq.errors import InputError

INDEX_FORMAT = 1


@dataclass(frozen=True)
class PlannedRow:
    """One row of an experiment on one DATA folder, with a run a seed."""

    row: Row
    store: Store
    runs: tuple[Run, ...]


def plan(
    experiment: Experiment, data: Sequence[Path], *, seeds: int, out: Path, more: Flags
) -> list[PlannedRow]:
    """All rows of an experiment.

    Args:
        experiment: what to run.
        data: DATA folders; every row is run on each.
        seeds: 1 to this one.
        out: the folder for all experiments.
        more: flags of fairseq-train that override those of every row.

    Raises:
        InputError: a DATA folder is not one, or two have the same name.
    """
    stores = [Store(folder.resolve()) for folder in data]
    called = [store.path.name for store in stores]
    if len(set(called)) < len(called):
        raise InputError(f"--data names {called}; give folders of different names, rows bear them")
    planned = []
    for store in stores:
        evaluations = _evaluations(experiment, store, stores)
        for row in experiment.rows:
            flags = train_flags(row, store.label.kind, more)
            name = run_name(row, store.path, flags)
            runs = tuple(
                Run(name, store.path, flags, seed, out.resolve() / "all", evaluations)
                for seed in range(1, seeds + 1)
            )
            planned.append(PlannedRow(row, store, runs))
    return planned


def run_name(row: Row, data: Path, flags: Sequence[str]) -> str:
    """A folder's name: readable, and different for different flags or data."""
    what = json.dumps([str(data), list(flags)])
    digest = hashlib.sha256(what.encode()).hexdigest()[:10]
    return f"{row.flags.get('arch', 'mia_net')}-{data.name}-{digest}"


def evaluation_file(name: str) -> str:
    """The stem of an evaluation's files."""
    return "test-" + re.sub(r"[^\w.+-]+", "_", name)


def write_index(
    experiment: Experiment, source: str, planned: Sequence[PlannedRow], out: Path
) -> Path:
    """Writes or updates ``out/EXPERIMENT/index.json``; rows on other DATA folders stay.

    Returns:
        The index's folder.
    """
    folder = out.resolve() / experiment.name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "index.json"
    with locked(file, wait=True):
        rows = [_entry(entry, folder) for entry in planned]
        here = {row["data"] for row in rows}
        rows = [row for row in _old_rows(file) if row["data"] not in here] + rows
        content = {"format": INDEX_FORMAT, "experiment": source, "rows": rows}
        partial = folder / "index.json.partial"
        partial.write_text(json.dumps(content, indent=1))
        partial.replace(file)
    return folder


def write_results(
    experiment: Experiment, planned: Sequence[PlannedRow], folder: Path
) -> list[Path]:
    """Writes the rows of each DATA folder as JSON: row -> one dictionary of metrics a seed."""
    tables: dict[str, dict[str, list[Any]]] = {}
    for entry in planned:
        rows = tables.setdefault(entry.store.path.name, {})
        for evaluation in entry.runs[0].evaluations:
            if evaluation.split == "test" or experiment.only_validation:
                name = row_name(entry.row.name, evaluation.name, experiment, entry.store.path.name)
                rows[name] = [run.results(evaluation.name) for run in entry.runs]
    written = []
    for name, rows in tables.items():
        written.append(folder / f"{name}.json")
        written[-1].write_text(json.dumps(rows, indent=1))
    return written


def row_name(row: str, evaluation: str, experiment: Experiment, data: str) -> str:
    """How a table calls an evaluation of a row."""
    for name in experiment.evaluations:
        if evaluation == evaluation_file(name):
            return f"{row}: {name}"
    if experiment.transfer and evaluation.startswith(evaluation_file("on ")):
        return f"{row}, trained on {data}, tested {evaluation[5:].replace('_', ' ', 1)}"
    return row


def _evaluations(
    experiment: Experiment, store: Store, stores: Sequence[Store]
) -> tuple[Evaluation, ...]:
    if experiment.only_validation:
        return (VALID,)
    named = [
        Evaluation(evaluation_file(name), "test", as_arguments(flags))
        for name, flags in experiment.evaluations.items()
    ]
    if experiment.transfer:
        named += [
            Evaluation(evaluation_file(f"on {other.path.name}"), "test", (), other.path)
            for other in stores
            if other is not store and other.label == store.label
        ]
    return (VALID, TEST, *named)


def _entry(entry: PlannedRow, folder: Path) -> dict[str, Any]:
    run = entry.runs[0]
    return {
        "row": entry.row.name,
        "paper": entry.row.paper,
        "data": str(entry.store.path),
        "flags": list(run.flags),
        "folder": os.path.relpath(run.folder.parent, folder),
        "seeds": len(entry.runs),
        "evaluations": [evaluation.name for evaluation in run.evaluations],
    }


def _old_rows(file: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(file.read_text())
        return list(content["rows"]) if content["format"] == INDEX_FORMAT else []
    except (OSError, ValueError, KeyError):
        return []
