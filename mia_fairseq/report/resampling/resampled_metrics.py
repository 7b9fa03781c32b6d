"""Metrics on resamples of a split's rows.

n rows, B resamples, k classes or labels. A resample is how often each row is drawn.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.metrics import SIMS_LIMITS, f1_by_class

Vector = NDArray[np.float64]


class Predictions(NamedTuple):
    """What a run predicted for a split's rows."""

    ids: tuple[str, ...]
    truth: Vector  # (n,) scores, class indices, or sets of labels as `LabelSpec` numbers them
    prediction: Vector  # (n,)
    classes: tuple[str, ...]  # names of classes or labels; empty for scores
    groups: tuple[str, ...] = ()  # (n,) whom intervals are drawn over; empty: each row by itself
    several: bool = False  # whether any number of labels may be there at once


def resampled(metric: str, predictions: Predictions, weights: Vector) -> Vector:
    """(B,) the metric on every resample.

    Args:
        metric: a name of `regression_metrics`, `sims_metrics`, `classification_metrics` or
            `multilabel_metrics`, ``f1.NAME`` for a class or a label.
        predictions: of one run.
        weights: (B, n) of `draws`; ones for the metric itself.

    Raises:
        KeyError: there is no such metric for these labels.
    """
    z, y = predictions.prediction, predictions.truth
    if predictions.several:
        return _of_labels(metric, predictions, weights)
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
    if metric in SIMS_LIMITS:
        places = (np.searchsorted(SIMS_LIMITS[metric], np.clip(v, -1, 1)) for v in (z, y))
        return _mean(np.equal(*places), weights)
    if metric == "sims_f1":
        return _f1_of_two(z > 0, y > 0, weights)
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
    return _f1_of_two(positive, true, weights[:, used])


def _mean(values: NDArray[np.generic], weights: Vector) -> Vector:
    drawn = weights.sum(axis=1)
    return (weights @ values.astype(np.float64)) / np.where(drawn > 0, drawn, np.nan)


def _f1_of_two(z: NDArray[np.bool_], y: NDArray[np.bool_], weights: Vector) -> Vector:
    tables = _confusions(z.astype(np.int64), y.astype(np.int64), 2, weights)
    return np.array([_weighted_f1(table) for table in tables])


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


def _of_labels(metric: str, predictions: Predictions, weights: Vector) -> Vector:
    """Of several labels at once: a figure of one label, or the mean over all of them."""
    spec = LabelSpec("multilabel", names=predictions.classes)
    guess, true = (
        spec.targets(numbers).astype(np.int64)  # (n, k) zeros and ones
        for numbers in (predictions.prediction, predictions.truth)
    )
    if metric == "exact_match":
        return _mean((guess == true).all(axis=1), weights)
    label = metric.removeprefix("f1.")
    if metric not in MEANS and (label == metric or label not in predictions.classes):
        raise KeyError(metric)
    figure = MEANS.get(metric, _f1_of_being_there)
    places = [predictions.classes.index(label)] if metric not in MEANS else range(spec.outputs)
    by_label = [
        [figure(table) for table in _confusions(guess[:, place], true[:, place], 2, weights)]
        for place in places
    ]
    return np.mean(by_label, axis=0)


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


def _accuracy(table: NDArray[np.int64]) -> float:
    return float(np.trace(table) / max(table.sum(), 1))


def _f1_of_being_there(table: NDArray[np.int64]) -> float:
    return float(f1_by_class(table)[1])


# Of one label's table; `multilabel_metrics` has their means over labels by these names.
MEANS: Mapping[str, Callable[[NDArray[np.int64]], float]] = {
    "accuracy": _accuracy,
    "weighted_accuracy": _mean_recall,
    "weighted_f1": _weighted_f1,
    "macro_f1": _f1_of_being_there,
}
