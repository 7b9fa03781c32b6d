"""Metrics of several labels against scikit-learn, and thresholds against trying them all."""

import numpy as np
import pytest
from sklearn import metrics

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.errors import InputError
from mia_fairseq.multilabel_metrics import (
    choose_thresholds,
    each_share,
    multilabel_metrics,
    several,
)

NAMES = ("happy", "sad", "anger")
SPEC = LabelSpec("multilabel", names=NAMES)


@pytest.mark.parametrize("seed", range(8))
def test_the_metrics_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares, truth = rng.random((40, 3)), (rng.random((40, 3)) < rng.random(3)).astype(float)
    cuts = dict(zip(NAMES, rng.random(3), strict=True))
    found = multilabel_metrics(shares, truth, NAMES, cuts)
    predicted = shares >= np.array(list(cuts.values()))
    expected = {name: [] for name in ("accuracy", "weighted_accuracy", "weighted_f1", "f1")}
    for place, name in enumerate(NAMES):
        y, z = truth[:, place], predicted[:, place]
        one = {
            "accuracy": metrics.accuracy_score(y, z),
            "weighted_accuracy": metrics.balanced_accuracy_score(y, z),
            "weighted_f1": metrics.f1_score(y, z, average="weighted", zero_division=0),
            "f1": metrics.f1_score(y, z, zero_division=0),
        }
        assert found["by_label"][name] == pytest.approx(one)
        for figure, value in one.items():
            expected[figure].append(value)
    for figure in ("accuracy", "weighted_accuracy", "weighted_f1"):
        assert found[figure] == pytest.approx(np.mean(expected[figure]))
    assert found["macro_f1"] == pytest.approx(
        metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    )
    assert found["exact_match"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found["n"] == 40 and found["thresholds"] == pytest.approx(cuts)


@pytest.mark.parametrize("seed", range(8))
def test_no_other_threshold_does_better_on_validation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random((30, 3)) < 0.3).astype(float)
    shares = np.round(0.5 * rng.random((30, 3)) + 0.2 * truth, 1)  # with ties
    chosen = choose_thresholds(shares, truth, NAMES)
    for place, name in enumerate(NAMES):
        y, x = truth[:, place], shares[:, place]

        def score(cut: float, y=y, x=x) -> float:
            return metrics.f1_score(y, x >= cut, average="weighted", zero_division=0)

        best = max(score(cut) for cut in np.linspace(-0.01, 1.01, 500))
        assert score(chosen[name]) == pytest.approx(best)


def test_a_label_without_examples_keeps_one_half() -> None:
    truth = np.array([[1, 0, 1], [1, 0, 0]])
    chosen = choose_thresholds([[0.9, 0.1, 0.2], [0.8, 0.2, 0.1]], truth, NAMES)
    assert chosen["happy"] == chosen["sad"] == 0.5 and 0.1 < chosen["anger"] < 0.2


def test_what_is_no_table_of_zeros_and_ones_is_refused() -> None:
    for shares, truth in ([[[0.5] * 3], [[0, 1, 2]]], [[[0.5] * 3], [[0, 1]]], [[], []]):
        with pytest.raises(ValueError, match="expected"):
            multilabel_metrics(shares, truth, NAMES)


def test_probabilities_and_labels_by_hand() -> None:
    shares = each_share(np.array([[0.0, 1000.0, -1000.0]], np.float32))
    assert shares.tolist() == [[0.5, 1.0, 0.0]]
    assert several(shares, NAMES, {}).tolist() == [3.0]
    assert several(shares, NAMES, {"happy": 0.6}).tolist() == [2.0]


def test_cells_of_several_labels() -> None:
    for text, number, ones in [
        ("-", 0, [0, 0, 0]),
        ("happy", 1, [1, 0, 0]),
        ("happy+anger", 5, [1, 0, 1]),
    ]:
        assert SPEC.parse(text, "here") == number and SPEC.format(number) == text
        assert SPEC.targets([number]).tolist() == [ones]
    assert SPEC.parse("anger+happy", "here") == 5  # in any order
    assert LabelSpec.from_json(SPEC.to_json(), "here") == SPEC and SPEC.outputs == 3
    for text in ("joy", "happy+happy", "happy+", "+", "happy+-"):
        with pytest.raises(InputError, match="here: label"):
            SPEC.parse(text, "here")


def test_names_that_cannot_be_joined_are_refused() -> None:
    for names in (["a", "b+c"], ["a", "-"], ["a"], [f"n{i}" for i in range(53)]):
        with pytest.raises(InputError, match="multilabel"):
            LabelSpec.from_json({"kind": "multilabel", "names": names}, "here")
