"""Computes the tables that the report shows: means, intervals, differences, the paper's rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.specification.inheritance import base
from mia_fairseq.experiments.specification.published import PaperTable
from mia_fairseq.report.resampling.intervals import (
    Comparison,
    compare,
    draws,
    enough_resamples,
    holm,
    interval,
)
from mia_fairseq.report.resampling.resampled_metrics import Vector
from mia_fairseq.report.run_results import Section, Table, TableRow, value
from mia_fairseq.report.shown_tables import LIMIT, Cell, ShownRow, ShownTable, too_few


def show(section: Section, table: Table, resamples: int) -> ShownTable:
    """Computes what a table of runs shows.

    Args:
        section: where the table stands.
        table: the runs.
        resamples: of the bootstrap.
    """
    chosen = section.experiment
    columns, metric = table.columns, table.main_metric
    if chosen is not None and chosen.metric in columns:
        metric = chosen.metric
    paper = chosen.paper.get(table.corpus) if chosen else None
    if paper is not None:
        columns = (*columns, *(name for name in paper.columns if name not in columns))
    reference = _reference(section, table)
    shown = ShownTable(
        ", ".join([*dict.fromkeys((table.corpus, table.data)), f"{table.split} rows"]),
        columns,
        metric,
        reference.name if reference else None,
        [],
        {},
    )
    if table.constant is not None:
        shown.rows.append(_constant(table.constant, columns))
    differs: dict[str, list[str]] = {}  # what does -> the paper's rows
    for row in table.rows:
        own = next((found for found in table.rows if found.name == row.of), None)
        other = own if own is not None and own.predictions else reference
        shown.rows.append(_ours(row, columns, metric, other, resamples))
        cell = shown.rows[-1].cells[columns.index(metric)]
        if cell.mean is not None:
            shown.points[row.name] = (cell.mean, *(cell.interval or (cell.mean, cell.mean)))
        if paper is not None and row.paper_name in paper.rows:
            differs.setdefault(_what_differs(table, row), []).append(str(row.paper_name))
            shown.rows.append(_published(paper, row.paper_name, columns))
    if paper is not None:
        beside = {row.paper_name for row in table.rows}
        shown.rows += [_published(paper, n, columns) for n in paper.rows if n not in beside]
        shown.notes.append(f"Published rows: {paper.metric}.")
        for what, names in differs.items():
            those = "" if len(differs) == 1 else f" ({', '.join(names)})"
            shown.notes.append(f"What differs from published rows{those}: {what}.")
    tested = [row for row in shown.rows if row.difference is not None]
    if tested and any(len(row.seeds) == 1 for row in table.rows):
        shown.notes.append("A row of one seed tells nothing of what another seed would give.")
    for few in sorted({row.too_few for row in tested if row.too_few}):
        shown.notes.append(
            f"Only {few}: too few for intervals and p to hold, so nothing is called settled. Read "
            "this table as a description."
        )
    if table.constant is not None and (beaten := _no_better(shown)):
        shown.notes.append(
            f"By {metric} no better than constant, which always gives one answer: "
            f"{', '.join(beaten)}."
        )
    if resamples < (enough := enough_resamples(len(tested), LIMIT)):
        shown.notes.append(
            f"{resamples} resamples settle none of {len(tested)} differences: p is at least "
            f"2 / {resamples + 1}, times {len(tested)} by Holm; take {enough} or more."
        )
    corrected = holm([row.difference.p for row in tested if row.difference is not None])
    for other_row, p in zip(tested, corrected, strict=True):
        other_row.corrected = p
    return shown


def published_only(section: Section) -> Iterator[ShownTable]:
    """The paper's tables on corpora that no run is on."""
    chosen = section.experiment
    if chosen is None:
        return
    here = {table.corpus for table in section.tables}
    for corpus, paper in chosen.paper.items():
        if corpus not in here:
            rows = [_published(paper, name, paper.columns) for name in paper.rows]
            yield ShownTable(
                f"{corpus}, published", paper.columns, "", None, rows, {}, [f"{paper.metric}."]
            )


def _reference(section: Section, table: Table) -> TableRow | None:
    named = section.experiment.reference if section.experiment else None
    with_figures = [row for row in table.rows if row.predictions]
    exact = [row for row in with_figures if row.name == named]
    return (exact or with_figures)[0] if len(with_figures) > 1 else None


def _ours(
    row: TableRow,
    columns: Sequence[str],
    metric: str,
    reference: TableRow | None,
    resamples: int,
) -> ShownRow:
    notes = list(row.notes)
    predictions = row.predictions
    if row.seeds and not predictions and all(seed.predictions for seed in row.seeds):
        notes.append("its seeds predict different utterances, so there are no intervals")
    rows = sorted({int(seed.metrics["n"]) for seed in row.seeds if "n" in seed.metrics})
    weights = None
    if predictions:
        weights = draws(len(predictions[0].ids), resamples, groups=predictions[0].groups)
    notes += _fold_notes(row, metric)
    cells = []
    for column in columns:
        values = [value(seed.metrics, column) for seed in row.seeds]
        known = _known(values)
        if not known or len(known) < len(values):
            cells.append(Cell(None))
            continue
        spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
        covered = interval(column, predictions, weights) if weights is not None else None
        cells.append(Cell(float(np.mean(known)), spread, covered))
    difference, compared_to = None, ""
    if reference is not None and row is not reference and weights is not None:
        difference, why_not = _compared(row, metric, reference, weights)
        compared_to = reference.name if difference is not None else ""
        if difference is None:
            notes.append(f"not compared with {reference.name!r}, {why_not}")
    count = f"{len(row.seeds)} × n = {' / '.join(map(str, rows))}" if rows else "0"
    shown = ShownRow(row.name, count, cells, difference, compared_to, notes)
    if predictions:
        shown.too_few = too_few(predictions[0].ids, predictions[0].groups)
    return shown


def _constant(metrics: Mapping[str, Any], columns: Sequence[str]) -> ShownRow:
    """What always the same answer reaches; it is no model, so nothing is compared with it."""
    cells = [Cell(value(metrics, column)) for column in columns]
    return ShownRow("constant", f"n = {metrics['n']}" if "n" in metrics else "", cells)


def _no_better(shown: ShownTable) -> list[str]:
    """Our rows whose metric is no better than that of the constant, which stands first."""
    bar = shown.figure(shown.rows[0]).mean
    sign = 1 if shown.less_is_better else -1
    found = shown.points.items()
    return [name for name, (mean, *_) in found if bar is not None and sign * (mean - bar) >= 0]


def _compared(
    row: TableRow, metric: str, reference: TableRow, weights: Vector
) -> tuple[Comparison | None, str]:
    """The difference to the reference, or None and why there is none."""
    if row.predictions[0].ids != reference.predictions[0].ids:
        return None, "whose utterances are others"
    for one in (row, reference):
        if any(value(seed.metrics, metric) is None for seed in one.seeds):
            return None, f"since {metric} of {one.name!r} is undefined"
    found = compare(metric, row.predictions, reference.predictions, weights)
    return found, f"since {metric} is undefined of what they predict"


def _fold_notes(row: TableRow, metric: str) -> list[str]:
    """Between which figures a cross-validation's folds lie, the mean over seeds."""
    by_fold = [seed.metrics["folds"] for seed in row.seeds if seed.metrics.get("folds")]
    if not by_fold:
        return []
    found = [[value(seed.get(fold, {}), metric) for seed in by_fold] for fold in by_fold[0]]
    means = [np.mean(known) for values in found if len(known := _known(values)) == len(values)]
    drawn = row.predictions[0].groups if row.predictions else ()
    over = f"; intervals over its {len(set(drawn))} groups" if drawn else ""
    lacking = len(found) - len(means)
    over = (f", of {lacking} {metric} is not known" if lacking else "") + over
    between = f" {min(means):.3f} to {max(means):.3f}" if means else ""
    return [f"its {len(found)} folds{between}{over}"]


def _known(values: Sequence[float | None]) -> list[float]:
    return [found for found in values if found is not None]


def _published(paper: PaperTable, name: str | None, columns: Sequence[str]) -> ShownRow:
    values = paper.rows[str(name)]
    cells = [Cell(values.get(column), published=True) for column in columns]
    return ShownRow(f"published: {name}", "", cells, published=True)


def _what_differs(table: Table, row: TableRow) -> str:
    facts = base()
    tested = sorted({int(seed.metrics["n"]) for seed in row.seeds if "n" in seed.metrics})
    parts = []
    if tested and table.corpus in facts["paper_data"]:
        theirs = facts["paper_data"][table.corpus]["test"]
        parts.append(f"ours on {' / '.join(map(str, tested))} rows, the paper's on {theirs}")
    features = _features(row)
    their_features = ", ".join(f"{k} {v}" for k, v in facts["paper_features"].items())
    parts.append(f"our features {features or 'unknown'}; the paper's {their_features}")
    return "; ".join(parts)


def _features(row: TableRow) -> str:
    if row.data is None:
        return ""
    try:
        modalities = Store(row.data).modalities
    except InputError:
        return ""
    return ", ".join(f"{name} {spec.extractor} {spec.dim}" for name, spec in modalities.items())
