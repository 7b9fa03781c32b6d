"""A run of a cross-validation: one run a fold, and their rows pooled, so that each counts once.

Beside the pooled metrics the results tell each fold's own, and the pooled table of predictions has
two columns more, ``group`` and ``fold``: intervals are drawn over groups, whose rows resemble each
other (several clips of an actor are not several actors).
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_json, write_whole
from mia_fairseq.metrics import classification_metrics, regression_metrics

FIRST = ("id", "label", "prediction")
LAST = ("group", "fold")
Line = dict[str, str]


def pool(parts: Mapping[int, Path], out: Path, data: Path) -> None:
    """Writes the pooled metrics and predictions of an evaluation, ``out.json`` and ``out.tsv``.

    Args:
        parts: fold -> the same files of its own run, without their suffix.
        out: of the pooled ones.
        data: the DATA folder that was read.

    Raises:
        InputError: a row stands in two folds.
    """
    groups = _groups(data)
    lines: list[Line] = []
    by_fold: dict[str, dict[str, Any]] = {}
    for fold, file in parts.items():
        by_fold[str(fold)] = json.loads(file.with_name(f"{file.name}.json").read_text())
        for line in _read(file.with_name(f"{file.name}.tsv")):
            lines.append({**line, "group": groups[line["id"]], "fold": str(fold)})
    if len({line["id"] for line in lines}) < len(lines):
        raise InputError(f"{out}: a row stands in two folds; remove {out.parent} and run it again")
    columns = [*(name for name in lines[0] if name not in LAST), *LAST]
    text = ["\t".join(columns), *("\t".join(line[name] for name in columns) for line in lines)]
    write_whole(out.with_name(f"{out.name}.tsv"), "\n".join(text) + "\n")
    shared = next(iter(by_fold.values()))
    figures = pooled_metrics(lines)
    own = {fold: {name: result[name] for name in figures} for fold, result in by_fold.items()}
    about = {name: shared[name] for name in shared if name not in figures}
    write_json(out.with_name(f"{out.name}.json"), {**about, "folds": own, **figures})


def pooled_metrics(lines: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The metrics of rows of a predictions table; NaN becomes None."""
    names = [name.removeprefix("p_") for name in lines[0] if name.startswith("p_")]
    read = names.index if names else float
    truth, guess = (np.array([read(line[name]) for line in lines], float) for name in FIRST[1:])
    if names:
        return classification_metrics(guess, truth, names)
    figures = regression_metrics(guess, truth)
    return {name: None if np.isnan(figure) else figure for name, figure in figures.items()}


def _groups(data: Path) -> dict[str, str]:
    """Each row's group, by id; a row without one is a group of its own."""
    store = FoldedStore(data)
    rows = [row for name in store.splits for row in store.split(name, ()).rows]
    return {row.id: row.group or row.id for row in rows}


def _read(file: Path) -> list[Line]:
    with file.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
