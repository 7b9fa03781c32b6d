"""Bootstrap intervals of every metric, and paired comparisons, from rows' predictions.

n rows, B resamples. A resample is how often each row is drawn, (B, n), the same for all models, so
that differences are paired by utterance. Of a cross-validation whole groups are drawn: actors,
videos or dialogues.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mia_fairseq.report.resampling.resampled_metrics import Predictions, Vector, resampled

LEVEL = 95  # per cent


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
