"""The field's metrics as pure functions on arrays, each named by its convention.

n rows, k classes. Every figure is a fraction, but MAE, which is in the labels' unit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mia_fairseq.data.format.labels import SENTIMENT_RANGE, SIMS_RANGE, LabelSpec

Vector = NDArray[np.float64]


ANY_SCALE = ("n", "mae", "corr")  # the figures that mean something whatever the range of scores


def score_metrics(label: LabelSpec, prediction: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """The metrics that mean something for scores of a range, over a whole split.

    Accuracies and F1 cut at 0 and round to the scores of sentiment, so they are there for
    `SENTIMENT_RANGE`, and for `SIMS_RANGE` with CH-SIMS's own; else `ANY_SCALE` is all.

    Args:
        label: of scores.
        prediction: (n,) scores.
        truth: (n,) scores.
    """
    found, limits = regression_metrics(prediction, truth), (label.minimum, label.maximum)
    if limits == SIMS_RANGE:
        return {**found, **sims_metrics(prediction, truth)}
    return found if limits == SENTIMENT_RANGE else {name: found[name] for name in ANY_SCALE}


def regression_metrics(prediction: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """All metrics of sentiment scores, over a whole split.

    Args:
        prediction: (n,) scores.
        truth: (n,) scores.

    Returns:
        ``n``, ``mae``, ``corr``, ``acc7``, ``acc5``, ``acc2_has0``, ``f1_has0``, ``acc2_non0``,
        ``f1_non0`` and ``n_non0``. ``corr`` is NaN where predictions or truth are constant, the
        ``non0`` figures where every truth is 0.

    Raises:
        ValueError: the two differ in shape, are empty, or are not finite.
    """
    z, y = _pair(prediction, truth)
    has0, non0 = np.full(len(y), True), y != 0
    return {
        "n": len(y),
        "mae": float(np.abs(z - y).mean()),  # unclipped
        "corr": pearson(z, y),
        "acc7": rounded_accuracy(z, y, limit=3),
        "acc5": rounded_accuracy(z, y, limit=2),
        # has0: negative against non-negative, on all rows
        "acc2_has0": _accuracy((z >= 0)[has0], (y >= 0)[has0]),
        "f1_has0": _binary_f1((z >= 0)[has0], (y >= 0)[has0]),
        # non0: negative against positive, rows whose truth is 0 left out (the paper's Table 1)
        "acc2_non0": _accuracy((z > 0)[non0], (y > 0)[non0]),
        "f1_non0": _binary_f1((z > 0)[non0], (y > 0)[non0]),
        "n_non0": int(non0.sum()),
    }


SIMS_LIMITS = {
    **{"sims_acc2": (0.0,), "sims_acc3": (-0.1, 0.1)},
    "sims_acc5": (-0.7, -0.1, 0.1, 0.7),
}


def sims_metrics(prediction: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """CH-SIMS's accuracies: scores in [-1, 1] cut into two, three and five intervals.

    As Yu et al., ACL 2020, and the MMSA benchmark have them: the limits 0; -0.1 and 0.1; and
    -0.7, -0.1, 0.1 and 0.7, each belonging to the interval below it. ``sims_f1`` is of two, by
    support.

    Args:
        prediction: (n,) scores.
        truth: (n,) scores.
    """
    z, y = (np.clip(values, -1, 1) for values in _pair(prediction, truth))
    found = {
        name: _accuracy(np.searchsorted(limits, z), np.searchsorted(limits, y))
        for name, limits in SIMS_LIMITS.items()
    }
    return {**found, "sims_f1": _binary_f1(z > 0, y > 0)}


def classification_metrics(
    prediction: ArrayLike, truth: ArrayLike, names: Sequence[str]
) -> dict[str, Any]:
    """All metrics of classes, over a whole split.

    Args:
        prediction: (n,) class indices below ``len(names)``.
        truth: (n,) class indices below ``len(names)``.
        names: the k classes, in order.

    Returns:
        ``n``, ``accuracy``, ``weighted_f1`` (by the true classes' support), ``macro_f1`` (over
        the classes that occur in truth or prediction, as scikit-learn has it), ``uar`` (the mean
        recall of the classes that occur in truth), ``f1`` by class name, ``confusion`` (k lists of
        k counts: rows truth, columns prediction).

    Raises:
        ValueError: the two differ in shape, are empty, or name no class.
    """
    predicted, true = (values.astype(np.int64) for values in _pair(prediction, truth))
    table = confusion(predicted, true, len(names))
    f1 = f1_by_class(table)
    support = table.sum(axis=1)
    occurs = (support + table.sum(axis=0)) > 0
    return {
        "n": len(true),
        "accuracy": float(np.trace(table) / table.sum()),
        "weighted_f1": float((f1 * support).sum() / support.sum()),
        "macro_f1": float(f1[occurs].mean()),
        "uar": float((np.diag(table)[support > 0] / support[support > 0]).mean()),
        "f1": {name: float(value) for name, value in zip(names, f1, strict=True)},
        "confusion": table.tolist(),
    }


def pearson(prediction: Vector, truth: Vector) -> float:
    """Pearson's correlation; NaN where either is constant."""
    if np.ptp(prediction) == 0 or np.ptp(truth) == 0:
        return float("nan")
    parts = []
    for values in (prediction, truth):
        apart = values - values.mean()
        largest = float(np.abs(apart).max())
        if not largest:  # nearer to each other than numbers can tell
            return float("nan")
        # By a power of two, which is exact: squares of small and of large numbers are none.
        parts.append(np.ldexp(apart, -np.frexp(largest)[1]))
    z, y = parts
    return float(np.dot(z, y)) / float(np.linalg.norm(z) * np.linalg.norm(y))


def rounded_accuracy(prediction: Vector, truth: Vector, *, limit: int) -> float:
    """Share of rows whose scores, clipped to ±limit and rounded half to even, are equal.

    Args:
        prediction: (n,) scores.
        truth: (n,) scores.
        limit: 3 gives seven classes, 2 gives five.
    """
    z, y = (np.round(np.clip(values, -limit, limit)) for values in (prediction, truth))
    return _accuracy(z, y)


def confusion(prediction: NDArray[np.int64], truth: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The confusion table.

    Args:
        prediction: (n,) class indices.
        truth: (n,) class indices.
        k: how many classes there are.

    Returns:
        (k, k) counts: rows truth, columns prediction.
    """
    if min(prediction.min(), truth.min()) < 0 or max(prediction.max(), truth.max()) >= k:
        raise ValueError(f"a class index lies outside 0..{k - 1}")
    return np.bincount(truth * k + prediction, minlength=k * k).reshape(k, k)


def f1_by_class(table: NDArray[np.int64]) -> Vector:
    """(k,) F1 of each class of a confusion table; 0 for a class that never occurs."""
    hits, seen = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
    return np.where(seen > 0, 2 * hits / np.maximum(seen, 1), 0.0)


def _accuracy(prediction: NDArray[Any], truth: NDArray[Any]) -> float:
    return float((prediction == truth).mean()) if len(truth) else float("nan")


def _binary_f1(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """F1 of two classes, weighted by the true classes' support."""
    if not len(truth):
        return float("nan")
    table = confusion(prediction.astype(np.int64), truth.astype(np.int64), 2)
    return float((f1_by_class(table) * table.sum(axis=1)).sum() / table.sum())


def _pair(prediction: ArrayLike, truth: ArrayLike) -> tuple[Vector, Vector]:
    z, y = (np.asarray(values, dtype=np.float64) for values in (prediction, truth))
    if z.shape != y.shape or z.ndim != 1 or not len(z):
        raise ValueError(f"expected two vectors of one length above 0, got {z.shape} and {y.shape}")
    if not (np.isfinite(z).all() and np.isfinite(y).all()):
        raise ValueError("a prediction or a truth is NaN or Inf")
    return z, y
