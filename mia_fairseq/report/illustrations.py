"""Which pictures a table gets, by what its experiment is about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from mia_fairseq.report import pictures
from mia_fairseq.report.collect import Section, Seed, Table, TableRow
from mia_fairseq.report.comparison import ShownTable
from mia_fairseq.report.pictures import Point

CURVES = 6  # runs in one picture at most
NOISE = re.compile(r"(?P<row>.*): noise (?P<modality>\w+) (?P<amount>[\d.]+)$")


@dataclass(frozen=True)
class Illustration:
    """A picture as an HTML element, and what is to be said of it."""

    html: str
    caption: str


def illustrate(section: Section, table: Table, shown: ShownTable) -> list[Illustration]:
    """The pictures of one table; none where there are no figures."""
    plot = section.experiment.plot if section.experiment else ""
    if not shown.points:
        return []
    found = [
        Illustration(
            pictures.bars(shown.points, shown.metric),
            f"{shown.metric} with 95 % intervals over utterances",
        )
    ]
    series, x_label = _series(plot, table, shown)
    if series:
        found.append(
            Illustration(
                pictures.lines(series, x_label, shown.metric),
                f"{shown.metric} by {x_label}; the band is the 95 % interval over utterances",
            )
        )
    found += _curves(table)
    named = next((row for row in table.rows if row.name == shown.reference), None)
    first = next(row for row in table.rows if row.name in shown.points)
    found += _errors(named or first)
    return found


def _series(
    plot: str, table: Table, shown: ShownTable
) -> tuple[dict[str, dict[float, Point]], str]:
    series: dict[str, dict[float, Point]] = {}
    for row in table.rows:
        if row.name not in shown.points:
            continue
        point = shown.points[row.name]
        if plot == "gamma" and "gamma" in row.flag_values:
            name = re.sub(r", gamma [\d.]+$", "", row.name)
            series.setdefault(name, {})[float(row.flag_values["gamma"])] = point
        elif plot == "modalities":
            used = next(seed.metrics.get("modalities", []) for seed in row.seeds)
            series.setdefault("MIA-Net", {})[float(len(used))] = point
        elif plot == "noise" and (noisy := NOISE.match(row.name)):
            name = f"{noisy['row']}, {noisy['modality']}"
            points = series.setdefault(name, {})
            points[float(noisy["amount"])] = point
            if noisy["row"] in shown.points:
                points[0.0] = shown.points[noisy["row"]]
    labels = {
        "gamma": "γ",
        "modalities": "number of modalities",
        "noise": "noise, in standard deviations",
    }
    return series, labels.get(plot, "")


def _curves(table: Table) -> list[Illustration]:
    first: dict[Path, TableRow] = {}
    for row in table.rows:
        if row.seeds:
            first.setdefault(row.seeds[0].folder, row)
    drawn = {
        f"{row.name}, seed {row.seeds[0].number}": folder / "tensorboard"
        for folder, row in list(first.items())[:CURVES]
    }
    image, lacking = pictures.curves(drawn, table.main_metric)
    caption = "training curves"
    if len(first) > CURVES:
        caption += f" of the first {CURVES} of {len(first)} rows"
    if lacking:
        caption += f"; not there: {', '.join(lacking)}"
    return [Illustration(image, caption)]


def _errors(row: TableRow) -> list[Illustration]:
    """Predicted against true of one row: all seeds in a confusion, one in a scatter."""
    if not row.predictions:
        return []
    first = row.predictions[0]
    title = escape(row.name)
    if not first.classes:
        caption = f"predicted against true, {row.name}, seed {row.seeds[0].number}"
        return [Illustration(pictures.scatter(first.truth, first.prediction, title), caption)]
    matrices = [np.array(_confusion(seed), float) for seed in row.seeds]
    image = pictures.confusion(np.mean(matrices, axis=0), first.classes, title)
    return [Illustration(image, f"rows, truth against prediction, {row.name}, mean over seeds")]


def _confusion(seed: Seed) -> Sequence[Sequence[float]]:
    matrix: Sequence[Sequence[float]] = seed.metrics["confusion"]
    return matrix
