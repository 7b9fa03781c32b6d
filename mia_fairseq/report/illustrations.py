"""Which pictures a table gets, by what its experiment is about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.report.drawing import pictures
from mia_fairseq.report.drawing.pictures import Point
from mia_fairseq.report.resampling.resampled_metrics import Predictions
from mia_fairseq.report.run_results import Section, Seed, Table, TableRow
from mia_fairseq.report.shown_tables import ShownTable

SEVEN_SCORES = ("-3", "-2", "-1", "0", "1", "2", "3")
MOST_CURVES = 6  # rows whose training is drawn: more lines cannot be told apart
NOISE = re.compile(r"(?P<row>.*): noise (?P<modality>\w+) (?P<amount>[\d.]+)$")


@dataclass(frozen=True)
class Illustration:
    """A picture as an HTML element, and what is to be said of it."""

    html: str
    caption: str


def illustrate(section: Section, table: Table, shown: ShownTable) -> list[Illustration]:
    """The pictures of one table; none where there are no figures.

    Args:
        section: the experiment.
        table: its runs' results on one DATA folder.
        shown: the table as it is written.
    """
    plot = section.experiment.plot if section.experiment else ""
    if not shown.points:
        return _curves(table, shown)
    series, x_label = _series(plot, table, shown)
    found = [_answer(shown, [*shown.points] if series else _by_rank(shown))]
    if series:
        found.append(
            Illustration(
                pictures.lines(series, x_label, shown.metric),
                f"{shown.metric} by {x_label}; the band is the 95 % interval over utterances",
            )
        )
    found += _curves(table, shown)
    best = shown.best.name if shown.best is not None else None
    by_name = {row.name: row for row in table.rows}
    for name in dict.fromkeys((best, shown.reference)):
        if name is not None:
            found += _errors(by_name[name])
    return found


def _by_rank(shown: ShownTable) -> list[str]:
    """The rows that have figures, the best one first."""
    sign = 1 if shown.less_is_better else -1
    return sorted(shown.points, key=lambda name: sign * shown.points[name][0])


def _answer(shown: ShownTable, order: Sequence[str]) -> Illustration:
    """Differences to the reference where there is one, else the figures themselves."""
    compared = {
        row.name: row.difference
        for row in shown.rows
        if row.difference is not None and row.compared_to == shown.reference
    }
    differences = {name: compared[name] for name in order if name in compared}
    if not differences or shown.reference is None:
        image = pictures.values({name: shown.points[name] for name in order}, shown.metric)
        return Illustration(image, f"{shown.metric} with its 95 % interval over utterances")
    points = {name: (d.difference, d.low, d.high) for name, d in differences.items()}
    settled = {row.name: row.settled for row in shown.rows}
    image = pictures.differences(points, settled, shown.metric, shown.reference)
    return Illustration(
        image,
        f"Each row's {shown.metric} less that of {shown.reference}, with the 95 % interval of a "
        "paired bootstrap over utterances and seeds. Green is better and red is worse beyond "
        "chance (Holm's p below 0.05), grey is not settled.",
    )


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


def _curves(table: Table, shown: ShownTable) -> list[Illustration]:
    first: dict[Path, TableRow] = {}
    for row in table.rows:
        if row.seeds:
            first.setdefault(row.seeds[0].folder, row)
    drawn = {
        row.name: [seed.folder / "tensorboard" for seed in row.seeds] for row in first.values()
    }
    of = ""
    if len(drawn) > MOST_CURVES + 1:
        ranked = [name for name in _by_rank(shown) if name in drawn] or [*drawn]
        chosen = {*ranked[:MOST_CURVES], shown.reference}
        reference = " and of the reference" if shown.reference else ""
        of = f" of the {MOST_CURVES} rows that lead{reference}, of {len(drawn)} in all"
        drawn = {name: folders for name, folders in drawn.items() if name in chosen}
    image, lacking = pictures.curves(drawn, table.main_metric)
    if len(lacking) == 3 * sum(map(len, drawn.values())):
        return []
    caption = f"Training curves{of}: thin lines are seeds, strong ones their mean."
    if lacking:
        caption += f" Not there: {', '.join(lacking)}."
    return [Illustration(image, caption)]


def _errors(row: TableRow) -> list[Illustration]:
    """Predicted against true of one row: a confusion of all seeds; of scores a scatter of one.

    Of several labels at once there is none: their sets have no table of a readable size.
    """
    if not row.predictions or row.predictions[0].several:
        return []
    first = row.predictions[0]
    if first.classes:
        matrices = [np.array(_confusion(seed), float) for seed in row.seeds]
        image = pictures.confusion(np.mean(matrices, axis=0), first.classes, row.name)
        return [Illustration(image, f"Truth against prediction, {row.name}, mean over seeds.")]
    matrices = [_of_scores(run) for run in row.predictions]
    image = pictures.confusion(np.mean(matrices, axis=0), SEVEN_SCORES, row.name)
    return [
        Illustration(
            pictures.scatter(first.truth, first.prediction, row.name),
            f"Predicted against true, {row.name}, seed {row.seeds[0].number}.",
        ),
        Illustration(image, f"The same, rounded to seven classes, {row.name}, mean over seeds."),
    ]


def _of_scores(run: Predictions) -> NDArray[np.float64]:
    """(7, 7) counts of scores rounded as Acc-7 rounds them, rows truth."""
    half = len(SEVEN_SCORES) // 2
    true, guess = (
        (np.round(np.clip(values, -half, half)) + half).astype(np.int64)
        for values in (run.truth, run.prediction)
    )
    table = np.zeros((len(SEVEN_SCORES),) * 2)
    np.add.at(table, (true, guess), 1)
    return table


def _confusion(seed: Seed) -> Sequence[Sequence[float]]:
    matrix: Sequence[Sequence[float]] = seed.metrics["confusion"]
    return matrix
