"""``OUT/EXPERIMENT``: the index that a report reads, and the tables of what is finished."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.experiments.constant_baseline import constant_baseline
from mia_fairseq.experiments.plan import INDEX_FORMAT, PlannedRow
from mia_fairseq.experiments.running.logged_commands import locked
from mia_fairseq.experiments.specification.experiment import Experiment
from mia_fairseq.experiments.summary_tables import summarize
from mia_fairseq.files import write_json, write_whole


def write_index(
    experiment: Experiment, source: str, planned: Sequence[PlannedRow], out: Path
) -> Path:
    """Writes or updates ``out/EXPERIMENT/index.json``; rows on other DATA folders stay.

    Args:
        experiment: what is run.
        source: its name or file, as it was given.
        planned: its rows.
        out: the folder of all experiments.

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
        write_json(file, content)
    return folder


def write_results(
    experiment: Experiment, planned: Sequence[PlannedRow], folder: Path
) -> list[Path]:
    """Writes the finished rows of each DATA folder as JSON, and all of them as tables.

    Args:
        experiment: what is run.
        planned: its rows.
        folder: gets ``DATA.json``, row -> one dictionary of metrics a seed, for each corpus of a
            united DATA a ``DATA.CORPUS.json`` of its rows, and ``results.md``.

    Returns:
        The JSON files.
    """
    tables: dict[str, dict[str, list[Any]]] = {}
    wanted = "valid" if experiment.only_validation else "test"
    for entry in planned:
        if not all(run.finished for run in entry.runs):
            continue
        for evaluation, place in zip(entry.runs[0].evaluations, entry.tables, strict=True):
            if evaluation.split == wanted:
                rows = tables.setdefault(place.data.name, {})
                if experiment.constant and not rows:
                    store = type(entry.store)(place.data)  # not what a carried model saw
                    rows["constant"] = [constant_baseline(store, wanted)]
                rows[place.row] = [run.results(evaluation.name) for run in entry.runs]
    written, texts = [], []
    with locked(folder / "index.json", wait=True):  # several commands may end at once
        for name, whole in tables.items():
            for corpus, rows in {"": whole, **_of_corpora(whole)}.items():
                written.append(folder / (f"{name}.{corpus}.json" if corpus else f"{name}.json"))
                write_json(written[-1], rows)
                of = f" of {corpus}" if corpus else ""
                texts.append(f"{name}, {wanted} rows{of}:\n\n{summarize(rows)}\n")
        written.append(folder / "results.md")
        write_whole(written[-1], "\n".join(texts))
    return written


def _of_corpora(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, list[Any]]]:
    """The same rows' metrics on each corpus by itself, where results tell several apart."""
    found: dict[str, dict[str, list[Any]]] = {}
    for row, seeds in rows.items():
        parts = [seed.get("corpora", {}) for seed in seeds]
        for corpus in parts[0] if len(parts[0]) > 1 else ():
            if all(corpus in part for part in parts):
                found.setdefault(corpus, {})[row] = [part[corpus] for part in parts]
    return found


def _entry(entry: PlannedRow, folder: Path) -> dict[str, Any]:
    run = entry.runs[0]
    shown = zip(run.evaluations, entry.tables, strict=True)
    return {
        "data": str(entry.store.path),
        "flags": list(run.flags),
        "folder": os.path.relpath(run.folder.parent, folder),
        "seeds": len(entry.runs),
        "evaluations": [
            {
                "file": evaluation.name,
                "split": evaluation.split,
                "row": place.row,
                "data": str(place.data),
                "paper": place.paper,
                "of": place.of,
            }
            for evaluation, place in shown
        ],
    }


def _old_rows(file: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(file.read_text())
        return list(content["rows"]) if content["format"] == INDEX_FORMAT else []
    except (OSError, ValueError, KeyError):
        return []
