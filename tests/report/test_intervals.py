"""Bootstrap by weights equals a bootstrap by drawn rows; comparisons find what is there."""

import numpy as np
import pytest

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.metrics import classification_metrics, regression_metrics, sims_metrics
from mia_fairseq.multilabel_metrics import multilabel_metrics
from mia_fairseq.report.resampling.intervals import (
    Comparison,
    Predictions,
    compare,
    draws,
    enough_resamples,
    holm,
    interval,
    resampled,
)

NAMES = ("a", "b", "c")


def scores(seed: int, rows: int = 80, noise: float = 1.0) -> Predictions:
    truth = np.round(np.random.default_rng(0).uniform(-3, 3, rows))
    guess = truth + np.random.default_rng(seed).normal(0, noise, rows)
    return Predictions(tuple(map(str, range(rows))), truth, guess, ())


def classes(seed: int, rows: int = 80, share: float = 0.5) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, 3, rows)
    guess = np.where(rng.random(rows) < share, truth, rng.integers(0, 3, rows))
    as_floats = (truth.astype(float), guess.astype(float))
    return Predictions(tuple(map(str, range(rows))), *as_floats, NAMES)


@pytest.mark.parametrize(
    "metric", ["mae", "corr", "acc7", "acc5", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0"]
)
def test_scores_resampled_by_weights_equal_rows_drawn_again(metric: str) -> None:
    given, weights = scores(1), draws(80, 20)
    for value, counts in zip(resampled(metric, given, weights), weights, strict=True):
        rows = np.repeat(np.arange(80), counts.astype(int))
        drawn = regression_metrics(given.prediction[rows], given.truth[rows])
        assert value == pytest.approx(drawn[metric], abs=1e-12)


@pytest.mark.parametrize("metric", ["sims_acc2", "sims_acc3", "sims_acc5", "sims_f1"])
def test_simss_scores_resampled_by_weights_equal_rows_drawn_again(metric: str) -> None:
    given, weights = scores(1, noise=0.3), draws(80, 20)
    z, y = given.prediction / 3, given.truth / 3
    found = resampled(metric, given._replace(prediction=z, truth=y), weights)
    for value, counts in zip(found, weights, strict=True):
        rows = np.repeat(np.arange(80), counts.astype(int))
        assert value == pytest.approx(sims_metrics(z[rows], y[rows])[metric], abs=1e-12)


@pytest.mark.parametrize("metric", ["accuracy", "weighted_f1", "macro_f1", "uar", "f1.b"])
def test_classes_resampled_by_weights_equal_rows_drawn_again(metric: str) -> None:
    given, weights = classes(1), draws(80, 20)
    for value, counts in zip(resampled(metric, given, weights), weights, strict=True):
        rows = np.repeat(np.arange(80), counts.astype(int))
        drawn = classification_metrics(given.prediction[rows], given.truth[rows], NAMES)
        flat = {**drawn, **{f"f1.{name}": f1 for name, f1 in drawn["f1"].items()}}
        assert value == pytest.approx(flat[metric], abs=1e-12)


def labels(seed: int, rows: int = 80) -> Predictions:
    """Any of three labels at once, as sums of 2^place."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, 8, rows)
    guess = np.where(rng.random(rows) < 0.6, truth, rng.integers(0, 8, rows))
    ids, as_floats = tuple(map(str, range(rows))), (truth.astype(float), guess.astype(float))
    return Predictions(ids, *as_floats, NAMES, several=True)


@pytest.mark.parametrize(
    "metric",
    ["accuracy", "weighted_accuracy", "weighted_f1", "macro_f1", "exact_match", "f1.a", "f1.c"],
)
def test_several_labels_resampled_by_weights_equal_rows_drawn_again(metric: str) -> None:
    given, weights = labels(1), draws(80, 20)
    spec = LabelSpec("multilabel", names=NAMES)
    for value, counts in zip(resampled(metric, given, weights), weights, strict=True):
        rows = np.repeat(np.arange(80), counts.astype(int))
        tables = (spec.targets(numbers[rows]) for numbers in (given.prediction, given.truth))
        drawn = multilabel_metrics(*tables, NAMES)
        flat = {**drawn, **{f"f1.{name}": f1 for name, f1 in drawn["f1"].items()}}
        assert value == pytest.approx(flat[metric], abs=1e-12)


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    given = scores(1, rows=2000)
    errors = np.abs(given.prediction - given.truth)
    half = 1.96 * errors.std(ddof=1) / np.sqrt(2000)
    low, high = interval("mae", [given], draws(2000, 3000)) or (0, 0)
    assert low == pytest.approx(errors.mean() - half, abs=half / 10)
    assert high == pytest.approx(errors.mean() + half, abs=half / 10)


def test_whole_groups_are_drawn() -> None:
    groups = ["x", "y", "x", "z", "y", "x"]
    weights = draws(6, 4000, groups=groups)
    for name in "xyz":
        rows = [place for place, group in enumerate(groups) if group == name]
        assert (weights[:, rows] == weights[:, rows[:1]]).all()
    apart = weights[:, [0, 1, 3]]
    assert (apart.sum(axis=1) == 3).all()
    assert apart.mean(axis=0) == pytest.approx(np.ones(3), abs=0.05)


def test_copies_of_a_row_do_not_narrow_the_interval_of_groups() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(40) < 0.6
    guess = np.repeat(np.where(right, 0.0, 1.0), 10)  # ten clips of each actor, all alike
    groups = tuple(f"actor{row // 10}" for row in range(400))
    given = Predictions(tuple(map(str, range(400))), np.zeros(400), guess, ("a", "b"), groups)
    low, high = interval("accuracy", [given], draws(400, 4000, groups=groups)) or (0, 0)
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 40)  # of forty independent rows
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def compared(
    metric: str, runs: list[Predictions], reference: list[Predictions], weights: np.ndarray
) -> Comparison:
    found = compare(metric, runs, reference, weights)
    assert found is not None
    return found


def test_a_model_does_not_differ_from_itself() -> None:
    runs = [scores(1), scores(2)]
    found = compared("mae", runs, runs, draws(80, 500))
    assert found.difference == 0 and found.low < 0 < found.high and found.p > 0.3


def test_a_better_model_is_found_better_and_chance_is_not() -> None:
    weights = draws(80, 1000)
    poor, good, like = ([scores(s + seed, noise=n) for seed in range(3)] for s, n in PLACES)
    found = compared("mae", good, poor, weights)
    assert found.difference < found.high < 0 and found.p < 0.01
    assert compared("mae", like, poor, weights).p > 0.05


PLACES = ((10, 1.5), (20, 0.5), (30, 1.5))


def test_what_is_undefined_is_not_compared() -> None:
    weights, good = draws(80, 200), scores(1)
    constant = good._replace(prediction=np.full(80, 0.1))
    for sides in (([constant], [good]), ([good], [constant]), ([good, constant, good], [good])):
        assert compare("corr", *sides, weights) is None
    assert interval("corr", [constant], weights) is None
    assert interval("corr", [good], weights) is not None


def test_resamples_on_which_a_metric_is_undefined_do_not_count() -> None:
    """One row of four has a truth other than 0: about a third of the resamples lack it."""
    right = Predictions(tuple("abcd"), np.array([2.0, 0, 0, 0]), np.array([1.0, 1, 1, 1]), ())
    wrong, weights = right._replace(prediction=-right.prediction), draws(4, 1000)
    known = int((weights[:, 0] > 0).sum())
    assert 600 < known < 750
    found = compared("acc2_non0", [wrong], [right], weights)
    assert found[:3] == (-1, -1, -1) and found.p == 2 / (known + 1)


def test_the_least_p_is_two_sided() -> None:
    """Nothing beyond 0: what was found is one draw of B + 1, on either side."""
    good, poor = scores(1, noise=0.1), scores(2, noise=3)
    assert compared("mae", [good], [poor], draws(80, 2000)).p == pytest.approx(0.001, abs=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 21])
def test_how_many_resamples_are_enough_to_settle_one_of_many_rows(rows: int) -> None:
    least = enough_resamples(rows, 0.05)
    for resamples in (least - 2, least):
        p = [2 / (resamples + 1), *[1.0] * (rows - 1)]
        assert (holm(p)[0] < 0.05) is (resamples == least)


def test_an_unknown_metric_is_no_metric() -> None:
    for given in (scores(1), classes(1), labels(1)):
        for name in ("acc3", "f1.d"):
            with pytest.raises(KeyError):
                resampled(name, given, draws(80, 2))


def test_holm_by_hand() -> None:
    """Smallest p times 3, the next times 2, never below the one before; at most 1."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([]) == []
