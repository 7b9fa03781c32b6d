"""A single training or a single evaluation, given by its folder or its files."""

import csv
from pathlib import Path
from typing import Any

from mia_fairseq.experiments.running.pooled_folds import pooled_metrics
from mia_fairseq.experiments.summary_tables import CLASS_COLUMNS, REGRESSION_COLUMNS
from mia_fairseq.report.drawing.curves import read_curve
from mia_fairseq.report.evaluation_files import read_predictions, read_results
from mia_fairseq.report.run_results import (
    Section,
    Seed,
    Table,
    TableRow,
)


def is_single(path: Path) -> bool:
    """Whether it is a file of results or predictions, or the ``--save-dir`` of one training."""
    if path.is_file():
        return path.suffix in (".json", ".tsv")
    return any(path.glob("checkpoint*.pt")) or (path / "tensorboard").is_dir()


def single(path: Path) -> Section:
    """A section of one training with all evaluations beside it, or of one evaluation.

    Args:
        path: what `fairseq-train` had as ``--save-dir``, or `fairseq-validate` as
            ``--results-json`` or ``--predictions``.
    """
    section = Section(path.stem if path.is_file() else path.name)
    files = [path] if path.is_file() else sorted(path.glob("*.json"))
    tables: dict[str, Table] = {}
    for file in files:
        metrics = _metrics(file, section if path.is_file() else None)
        if metrics is not None:
            about = [
                str(metrics.get("corpus", "unknown corpus")),
                str(metrics.get("split", "given")),
            ]
            table = tables.setdefault(str(about), Table(about[0], path.name, about[1]))
            table.rows.append(_row(file, metrics))
    if not tables and path.is_dir():
        table = Table("validation", path.name, "valid")
        table.rows.append(_validation(path))
        tables["valid"] = table
    section.tables = list(tables.values())
    return section


def _metrics(file: Path, section: Section | None) -> dict[str, Any] | None:
    """Of one file; a section is told what is wrong with it."""
    try:
        if file.suffix == ".tsv":
            with file.open(encoding="utf-8", newline="") as table:
                lines = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
                return pooled_metrics(list(lines))
        return read_results(file)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        if section is not None:
            section.problems.append(f"{file}: holds no results ({error}); evaluate again")
        return None


def _row(file: Path, metrics: dict[str, Any]) -> TableRow:
    row = TableRow(file.stem)
    tables = (file.with_suffix(".tsv"), file.with_name("predictions.tsv"))
    table = next((name for name in tables if name.is_file()), tables[0])
    predictions, problem = read_predictions(table, several="by_label" in metrics)
    if predictions is not None and len(predictions.ids) != metrics.get("n"):
        predictions, problem = None, f"{table.name} is of other rows"
    if problem:
        row.notes.append(f"{problem}, so there are no intervals")
    row.seeds = [Seed(1, file.parent, metrics, predictions)]
    return row


def _validation(folder: Path) -> TableRow:
    """What training wrote of validation, at the update with the lowest loss."""
    row = TableRow(folder.name)
    curves = folder / "tensorboard"
    try:
        updates, losses = read_curve(curves, "valid", "loss")
    except (OSError, KeyError) as error:
        row.notes.append(f"no curves ({error}); train with --tensorboard-logdir {curves}")
        return row
    best = updates[losses.index(min(losses))]
    metrics: dict[str, Any] = {}
    for column in (*REGRESSION_COLUMNS, *CLASS_COLUMNS):
        try:
            metrics[column] = dict(zip(*read_curve(curves, "valid", column), strict=True))[best]
        except (OSError, KeyError):
            continue
    row.notes.append(f"validation at update {best}, where its loss is lowest; not yet evaluated")
    row.seeds = [Seed(1, folder, metrics, None)]
    return row
