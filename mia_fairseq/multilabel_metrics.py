"""Metrics of several labels at once, as CMU-MOSEI's papers have them, and their thresholds.

n rows, k labels. Every figure is a fraction.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mia_fairseq.metrics import confusion, f1_by_class

UNCHOSEN = 0.5  # a threshold that no validation has chosen


def multilabel_metrics(
    probabilities: ArrayLike,
    truth: ArrayLike,
    names: Sequence[str],
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """All metrics of several labels, over a whole split.

    Args:
        probabilities: (n, k), of each label being there.
        truth: (n, k), 1 where it is and 0 where not.
        names: the k labels, in order.
        thresholds: from which probability on a label is predicted; 0.5 for those it leaves out.

    Returns:
        ``n``; the means over labels ``accuracy``, ``weighted_accuracy`` (the mean of the recalls of
        those with and without the label: Zadeh et al., ACL 2018, Sec. 6), ``weighted_f1`` (both
        answers' F1 by their support) and ``macro_f1`` (the F1 of being there); ``exact_match``, the
        share of rows in which every label is right; ``f1`` by label, of being there; ``by_label``
        with all four of each; and the ``thresholds``.

    Raises:
        ValueError: the two differ in shape or are empty, or a truth is neither 0 nor 1.
    """
    shares, true = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    if shares.shape != true.shape or shares.ndim != 2 or not len(shares):
        raise ValueError(f"expected two tables of one shape, got {shares.shape} and {true.shape}")
    if shares.shape[1] != len(names) or not np.isin(true, (0, 1)).all():
        raise ValueError(f"expected zeros and ones of {len(names)} labels")
    cuts = {name: float((thresholds or {}).get(name, UNCHOSEN)) for name in names}
    predicted = shares >= np.array(list(cuts.values()))
    by_label = {
        name: _one_label(predicted[:, place], true[:, place] == 1)
        for place, name in enumerate(names)
    }
    averaged = {
        figure: float(np.mean([one[figure] for one in by_label.values()]))
        for figure in ("accuracy", "weighted_accuracy", "weighted_f1")
    }
    return {
        "n": len(true),
        **averaged,
        "macro_f1": float(np.mean([one["f1"] for one in by_label.values()])),
        "exact_match": float((predicted == (true == 1)).all(axis=1).mean()),
        "f1": {name: one["f1"] for name, one in by_label.items()},
        "by_label": by_label,
        "thresholds": cuts,
    }


def _one_label(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> dict[str, float]:
    table = confusion(predicted.astype(np.int64), true.astype(np.int64), 2)
    support, f1 = table.sum(axis=1), f1_by_class(table)
    recalls = np.diag(table)[support > 0] / support[support > 0]
    return {
        "accuracy": float(np.trace(table) / table.sum()),
        "weighted_accuracy": float(recalls.mean()),
        "weighted_f1": float((f1 * support).sum() / support.sum()),
        "f1": float(f1[1]),
    }


def choose_thresholds(
    probabilities: ArrayLike, truth: ArrayLike, names: Sequence[str]
) -> dict[str, float]:
    """The threshold of each label with the best weighted F1 on a validation split.

    Candidates lie half-way between two neighbouring probabilities, and at 0.5. Of equal ones the
    nearest to 0.5 is taken. A label that all rows or none have keeps 0.5.

    Args:
        probabilities: as in `multilabel_metrics`.
        truth: as in `multilabel_metrics`.
        names: the k labels, in order.
    """
    shares, true = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64) == 1
    return {name: _best(shares[:, place], true[:, place]) for place, name in enumerate(names)}


def _best(shares: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    if true.all() or not true.any():
        return UNCHOSEN
    ordered = np.unique(shares)
    candidates = np.append((ordered[1:] + ordered[:-1]) / 2, UNCHOSEN)
    order = np.argsort(shares)
    # Rows below each candidate, and how many of them have the label.
    below = np.searchsorted(shares[order], candidates, side="left")
    missed = np.concatenate([[0], np.cumsum(true[order])])[below]
    positives = int(true.sum())
    hits, rejected = positives - missed, below - missed
    with_it = 2 * hits / (len(true) - below + positives)
    without = 2 * rejected / (below + len(true) - positives)
    score = np.round(with_it * positives + without * (len(true) - positives), 9)
    best = candidates[score == score.max()]
    return float(best[np.argmin(np.abs(best - UNCHOSEN))])


def mean_thresholds(given: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of some models' thresholds of each label, whatever the models' order.

    Args:
        given: the thresholds of each model, by label; 0.5 for those it leaves out.
    """
    names = sorted({name for thresholds in given for name in thresholds})
    return {name: fmean(one.get(name, UNCHOSEN) for one in given) for name in names}


def each_share(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Of several labels, each by itself: 1 / (1 + exp(-logit))."""
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


def several(
    shares: NDArray[np.floating[Any]], names: Sequence[str], thresholds: Mapping[str, float]
) -> NDArray[np.float64]:
    """Labels as numbers, of probabilities and the thresholds that they are to reach.

    Args:
        shares: (n, k) probabilities.
        names: the k labels, in order.
        thresholds: of each label.

    Returns:
        (n,), as `LabelSpec` numbers sets of labels.
    """
    reached = shares >= np.array([thresholds.get(name, UNCHOSEN) for name in names])
    found: NDArray[np.float64] = reached @ 2.0 ** np.arange(len(names))
    return found
