"""Metrics against scikit-learn and SciPy, and cases computed by hand."""

import math
import warnings

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    mean_absolute_error,
)

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.metrics import classification_metrics, regression_metrics, score_metrics


@pytest.mark.parametrize("seed", range(20))
def test_scores_equal_scikit_learn_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 300))
    # Steps of .5 give ties in rounding, and zeros in truth and prediction.
    truth = rng.integers(-6, 7, n) / 2
    prediction = np.where(rng.random(n) < 0.3, rng.integers(-8, 9, n) / 2, rng.normal(0, 2, n))
    truth[:3], prediction[:2] = [0, 1, -1], [0, -0.5]
    got = regression_metrics(prediction, truth)
    non0 = truth != 0
    assert got["n"] == n and got["n_non0"] == non0.sum()
    assert got["mae"] == pytest.approx(mean_absolute_error(truth, prediction), abs=1e-12)
    assert got["corr"] == pytest.approx(pearsonr(truth, prediction)[0], abs=1e-12)
    for name, limit in (("acc7", 3), ("acc5", 2)):
        expected = accuracy_score(
            np.round(np.clip(truth, -limit, limit)), np.round(np.clip(prediction, -limit, limit))
        )
        assert got[name] == pytest.approx(expected, abs=1e-12)
    pairs = {
        "has0": (truth >= 0, prediction >= 0),
        "non0": (truth[non0] > 0, prediction[non0] > 0),
    }
    for name, (y, z) in pairs.items():
        assert got[f"acc2_{name}"] == pytest.approx(accuracy_score(y, z), abs=1e-12)
        expected = f1_score(y, z, average="weighted", zero_division=0)
        assert got[f"f1_{name}"] == pytest.approx(expected, abs=1e-12)


def test_scores_by_hand() -> None:
    got = regression_metrics([-4.0, 0.0, 0.5, 2.4], [-3.0, 0.0, 1.5, -1.0])
    assert got["mae"] == pytest.approx((1 + 0 + 1 + 3.4) / 4)
    # Rounded half to even: 0.5 → 0 and 1.5 → 2 differ; −4 clips to −3.
    assert got["acc7"] == 0.5
    assert got["acc2_has0"] == 0.75 and got["acc2_non0"] == pytest.approx(2 / 3)
    assert got["n"] == 4 and got["n_non0"] == 3


@pytest.mark.parametrize(("low", "high"), [(1, 7), (0, 100), (-2, 2), (0, 3)])
def test_on_another_scale_only_mae_and_correlation_mean_anything(low: float, high: float) -> None:
    prediction, truth = [low + 0.5, high - 0.25], [low, high]
    got = score_metrics(LabelSpec("regression", low, high), prediction, truth)
    assert got == {"n": 2, "mae": 0.375, "corr": pytest.approx(1.0)}


def test_sentiment_and_ch_sims_keep_all_their_figures() -> None:
    prediction, truth = [-0.5, 0.25, 0.75], [-1.0, 0.0, 1.0]
    known = regression_metrics(prediction, truth)
    assert score_metrics(LabelSpec("regression"), prediction, truth) == known
    sims = score_metrics(LabelSpec("regression", -1, 1), prediction, truth)
    assert sims.items() >= known.items() and {"sims_acc2", "sims_f1"} <= sims.keys()


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_small_and_large_scores_have_a_correlation(size: float) -> None:
    prediction = np.array([1.0, 2, 4]) * size
    assert regression_metrics(prediction, [1, 2, 4])["corr"] == pytest.approx(1)


def test_what_is_undefined_is_nan() -> None:
    regression_metrics([0.0, 5e-324], [1.0, 2.0])  # the smallest difference there is
    got = regression_metrics([1.0, 1.0], [0.0, 0.0])
    assert math.isnan(got["corr"]) and math.isnan(got["acc2_non0"]) and got["n_non0"] == 0


@pytest.mark.parametrize("seed", range(10))
def test_classes_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(2, 8)), int(rng.integers(5, 200))
    names = [f"class{i}" for i in range(k)]
    # The last class is never predicted.
    truth, prediction = rng.integers(0, k, n), rng.integers(0, max(1, k - 1), n)
    got = classification_metrics(prediction, truth, names)
    assert got["n"] == n
    assert got["accuracy"] == pytest.approx(accuracy_score(truth, prediction))
    for name in ("weighted", "macro"):
        expected = f1_score(truth, prediction, average=name, zero_division=0)
        assert got[f"{name}_f1"] == pytest.approx(expected)
    with warnings.catch_warnings():  # of classes that are predicted and never true
        warnings.simplefilter("ignore")
        assert got["uar"] == pytest.approx(balanced_accuracy_score(truth, prediction))
    by_class = f1_score(truth, prediction, average=None, labels=range(k), zero_division=0)
    assert list(got["f1"]) == names and list(got["f1"].values()) == pytest.approx(by_class)
    assert got["confusion"] == confusion_matrix(truth, prediction, labels=range(k)).tolist()


@pytest.mark.parametrize(
    ("prediction", "truth", "words"),
    [
        ([1.0], [1.0, 2.0], "two vectors of one length"),
        ([], [], "above 0"),
        ([float("nan")], [1.0], "NaN"),
        ([1.0], [float("inf")], "Inf"),
    ],
)
def test_bad_arrays_are_refused(prediction: list[float], truth: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        regression_metrics(prediction, truth)


def test_a_class_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        classification_metrics([0, 2], [0, 1], ["a", "b"])
