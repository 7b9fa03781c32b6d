"""A run of a cross-validation: one run a fold, and their rows pooled, so that each counts once.

Beside the pooled metrics the results tell each fold's own, and the pooled table of predictions has
two columns more, ``group`` and ``fold``: intervals are drawn over groups, whose rows resemble each
other (several clips of an actor are not several actors). What cannot be pooled of rows, such as
figures of further labels, stands with each fold's own.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_json, write_whole
from mia_fairseq.meter import metrics_of, without_nan
from mia_fairseq.metrics import classification_metrics

FIRST = ("id", "label", "prediction")
LAST = ("group", "fold")
ABOUT = (  # what results tell beside figures, the same in each fold
    *("format", "corpus", "split", "modalities", "derived", "surroundings", "reading"),
    *("drop", "drop_shares", "noise", "misalign", "perturbation_seed"),
)
SCORES = LabelSpec("regression")
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
    store = FoldedStore(data)
    rows = {row.id: row for name in store.splits for row in store.split(name, ()).rows}
    lines: list[Line] = []
    by_fold: dict[str, dict[str, Any]] = {}
    for fold, file in parts.items():
        by_fold[str(fold)] = json.loads(file.with_name(f"{file.name}.json").read_text())
        for line in _read(file.with_name(f"{file.name}.tsv")):
            group = rows[line["id"]].group or line["id"]  # a row without one is its own
            lines.append({**line, "group": group, "fold": str(fold)})
    if len({line["id"] for line in lines}) < len(lines):
        raise InputError(f"{out}: a row stands in two folds; remove {out.parent} and run it again")
    columns = [*(name for name in lines[0] if name not in LAST), *LAST]
    text = ["\t".join(columns), *("\t".join(line[name] for name in columns) for line in lines)]
    write_whole(out.with_name(f"{out.name}.tsv"), "\n".join(text) + "\n")
    own = {f: {k: v for k, v in told.items() if k not in ABOUT} for f, told in by_fold.items()}
    by_corpus: dict[str, list[Line]] = {}
    for line in lines:
        by_corpus.setdefault(rows[line["id"]].corpus or "", []).append(line)
    corpora = {c: pooled_metrics(by_corpus[c], store.label) for c in sorted(by_corpus) if c}
    means = _part_means(list(by_fold.values()))
    pooled = {
        **{key: value for key, value in next(iter(by_fold.values())).items() if key in ABOUT},
        **({"parts": means} if means else {}),
        "folds": own,
        **pooled_metrics(lines, store.label),
        **({"corpora": corpora} if corpora else {}),
    }
    write_json(out.with_name(f"{out.name}.json"), pooled)


def pooled_metrics(lines: Sequence[Mapping[str, str]], label: LabelSpec = SCORES) -> dict[str, Any]:
    """The metrics of rows of a predictions table; NaN becomes None.

    Args:
        lines: the table's, which names its classes.
        label: where they are scores, their range, which may bring metrics of its own.
    """
    names = [name.removeprefix("p_") for name in lines[0] if name.startswith("p_")]
    read = names.index if names else float
    truth, guess = (np.array([read(line[name]) for line in lines], float) for name in FIRST[1:])
    if names:
        return classification_metrics(guess, truth, names)
    return without_nan(metrics_of(label, guess, truth))


def _part_means(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over all rows of what each fold's fusion names, where those of all folds do."""
    parts, sizes = [told.get("parts", {}) for told in folds], [told["n"] for told in folds]
    return {
        name: np.round(np.average([p[name] for p in parts], axis=0, weights=sizes), 6).tolist()
        for name in parts[0]
        if all(name in own for own in parts)
    }


def _read(file: Path) -> list[Line]:
    with file.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
