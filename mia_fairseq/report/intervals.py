"""Bootstrap intervals of every metric, and paired comparisons, from rows' predictions.

n rows, B resamples, k classes. A resample is how often each row is drawn, (B, n), the same for
all models, so that differences are paired by utterance. Of a cross-validation whole groups are
drawn: actors, videos or dialogues.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.metrics import f1_by_class

Vector = NDArray[np.float64]
LEVEL = 95  # per cent


class Predictions(NamedTuple):
    """What a run predicted for a split's rows."""

    ids: tuple[str, ...]
    truth: Vector  # (n,) scores or class indices
    prediction: Vector  # (n,)
    classes: tuple[str, ...]  # names; empty for scores
    groups: tuple[str, ...] = ()  # (n,) whom intervals are drawn over; empty: each row by itself


class Comparison(NamedTuple):
    """One row's mean metric less the reference's."""

    difference: float
    low: float
    high: float
    p: float  # two-sided


def draws(rows: int, resamples: int, seed: int = 0, groups: Sequence[str] = ()) -> Vector:
    """(B, n) how often each row is drawn in each resample.

    Args:
        rows: n.
        resamples: B.
        seed: of the draws.
        groups: (n,); whole groups are drawn (a cluster bootstrap); none: rows by themselves.
    """
    rng = np.random.default_rng(seed)
    if groups:
        names, place = np.unique(list(groups), return_inverse=True)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
        return drawn[:, place].astype(np.float64)
    return rng.multinomial(rows, np.full(rows, 1 / rows), size=resamples).astype(np.float64)


def resampled(metric: str, predictions: Predictions, weights: Vector) -> Vector:
    """(B,) the metric on every resample.

    Args:
        metric: a name of `regression_metrics` or `classification_metrics`, ``f1.NAME`` for a class.
        predictions: of one run.
        weights: (B, n) of `draws`; ones for the metric itself.

    Raises:
        KeyError: there is no such metric for these labels.
    """
    z, y = predictions.prediction, predictions.truth
    if predictions.classes:
        return _of_classes(metric, z.astype(np.int64), y.astype(np.int64), predictions, weights)
    if metric == "mae":
        return _mean(np.abs(z - y), weights)
    if metric == "corr":
        return _correlation(z, y, weights)
    if metric in ("acc7", "acc5"):
        limit = 3 if metric == "acc7" else 2
        scores, targets = (np.round(np.clip(values, -limit, limit)) for values in (z, y))
        return _mean(scores == targets, weights)
    name, _, zeros = metric.partition("_")
    if name not in ("acc2", "f1") or zeros not in ("has0", "non0"):
        raise KeyError(metric)
    used = np.full(len(y), True) if zeros == "has0" else y != 0
    if zeros == "has0":
        positive, true = z >= 0, y >= 0
    else:
        positive, true = z[used] > 0, y[used] > 0
    if name == "acc2":
        return _mean(positive == true, weights[:, used])
    tables = _confusions(positive.astype(np.int64), true.astype(np.int64), 2, weights[:, used])
    return np.array([_weighted_f1(table) for table in tables])


def interval(metric: str, runs: Sequence[Predictions], weights: Vector) -> tuple[float, float]:
    """The 95 % percentile interval, over utterances, of a metric's mean over seeds."""
    means = np.mean([resampled(metric, run, weights) for run in runs], axis=0)
    return _percentiles(means)


def compare(
    metric: str, runs: Sequence[Predictions], reference: Sequence[Predictions], weights: Vector
) -> Comparison:
    """A paired bootstrap of the difference to the reference.

    Each resample draws utterances, the same for both, and seeds, by itself for each. p is twice
    the smaller share of differences beyond 0, at least 1 / B, and not corrected for their number.

    Args:
        metric: its name.
        runs: predictions of each seed.
        reference: those of the row that is compared with.
        weights: (B, n) of `draws`.
    """
    rng = np.random.default_rng(1)
    ones = np.ones((1, weights.shape[1]))
    point = [
        np.mean([resampled(metric, run, ones)[0] for run in side]) for side in (runs, reference)
    ]
    drawn = []
    for side in (runs, reference):
        by_seed = np.stack([resampled(metric, run, weights) for run in side])  # (S, B)
        seeds = rng.integers(len(side), size=by_seed.shape)
        drawn.append(np.take_along_axis(by_seed, seeds, axis=0).mean(axis=0))
    differences = drawn[0] - drawn[1]
    beyond = min((differences <= 0).mean(), (differences >= 0).mean())
    p = float(np.clip(2 * beyond, 1 / len(differences), 1))
    return Comparison(float(point[0] - point[1]), *_percentiles(differences), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: each p as it counts among all that were tested together."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def _percentiles(values: Vector) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def _mean(values: NDArray[np.generic], weights: Vector) -> Vector:
    drawn = weights.sum(axis=1)
    return (weights @ values.astype(np.float64)) / np.where(drawn > 0, drawn, np.nan)


def _correlation(z: Vector, y: Vector, weights: Vector) -> Vector:
    z, y = z - z.mean(), y - y.mean()  # Pearson's does not change; sums stay exact
    mean_z, mean_y = _mean(z, weights), _mean(y, weights)
    covariance = _mean(z * y, weights) - mean_z * mean_y
    variances = (_mean(z * z, weights) - mean_z**2) * (_mean(y * y, weights) - mean_y**2)
    constant = variances <= 1e-24
    return np.where(constant, np.nan, covariance / np.sqrt(np.where(constant, 1.0, variances)))


def _of_classes(
    metric: str,
    z: NDArray[np.int64],
    y: NDArray[np.int64],
    predictions: Predictions,
    weights: Vector,
) -> Vector:
    if metric == "accuracy":
        return _mean(z == y, weights)
    tables = _confusions(z, y, len(predictions.classes), weights)
    if metric == "weighted_f1":
        return np.array([_weighted_f1(table) for table in tables])
    if metric == "macro_f1":
        return np.array([_macro_f1(table) for table in tables])
    if metric == "uar":
        return np.array([_mean_recall(table) for table in tables])
    if metric.startswith("f1.") and metric[3:] in predictions.classes:
        place = predictions.classes.index(metric[3:])
        return np.array([f1_by_class(table)[place] for table in tables])
    raise KeyError(metric)


def _confusions(
    z: NDArray[np.int64], y: NDArray[np.int64], k: int, weights: Vector
) -> NDArray[np.int64]:
    """(B, k, k) counts, rows truth, columns prediction."""
    cells = np.eye(k * k)[y * k + z]  # (n, k²)
    return np.rint(weights @ cells).astype(np.int64).reshape(-1, k, k)


def _weighted_f1(table: NDArray[np.int64]) -> float:
    support = table.sum(axis=1)
    return float((f1_by_class(table) * support).sum() / max(support.sum(), 1))


def _mean_recall(table: NDArray[np.int64]) -> float:
    support = table.sum(axis=1)
    occurs = support > 0
    return float((np.diag(table)[occurs] / support[occurs]).mean())


def _macro_f1(table: NDArray[np.int64]) -> float:
    occurs = (table.sum(axis=0) + table.sum(axis=1)) > 0
    return float(f1_by_class(table)[occurs].mean())
