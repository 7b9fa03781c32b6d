"""Bootstrap intervals of every metric, and paired comparisons, from rows' predictions.

n rows, B resamples. A resample is how often each row is drawn, (B, n), the same for all models, so
that differences are paired by utterance. Of a cross-validation whole groups are drawn: actors,
videos or dialogues.
"""

import math
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


def interval(
    metric: str, runs: Sequence[Predictions], weights: Vector
) -> tuple[float, float] | None:
    """The 95 % percentile interval, over utterances, of a metric's mean over seeds.

    None where the metric is undefined on every resample, such as a correlation with a constant.
    """
    means = np.mean([resampled(metric, run, weights) for run in runs], axis=0)
    known = means[np.isfinite(means)]
    return _percentiles(known) if len(known) else None


def compare(
    metric: str, runs: Sequence[Predictions], reference: Sequence[Predictions], weights: Vector
) -> Comparison | None:
    """A paired bootstrap of the difference to the reference.

    Each resample draws utterances, the same for both, and seeds, by itself for each. p is twice
    the smaller share of differences beyond 0, not corrected for their number, and never 0: what
    was found counts as one draw more, 2 (count + 1) / (B + 1) (Phipson and Smyth, Permutation
    p-values should never be zero, 2010). Resamples on which either metric is undefined (no row of
    truth other than 0, say) do not count; B is that of the others.

    Args:
        metric: its name.
        runs: predictions of each seed.
        reference: those of the row that is compared with.
        weights: (B, n) of `draws`.

    Returns:
        None where the metric of either side is undefined.
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
    known = differences[np.isfinite(differences)]
    if not len(known) or not np.isfinite(point).all():
        return None
    beyond = int(min((known <= 0).sum(), (known >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(known) + 1))
    return Comparison(float(point[0] - point[1]), *_percentiles(known), p)


def enough_resamples(compared: int, limit: float) -> int:
    """B, from which on Holm's least p of as many rows lies below a limit: 2 n / (B + 1) < limit."""
    return math.floor(2 * compared / limit)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: each p as it counts among all that were tested together."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def _percentiles(values: Vector) -> tuple[float, float]:
    low, high = np.percentile(values, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)
