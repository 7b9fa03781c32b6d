"""Ensembles and means of checkpoints, and R-Drop, through the commands and by hand."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import EMOTIONS, make_store, train, validate

from mia_fairseq.average import average, main
from mia_fairseq.criterions.joint_loss import disagreement
from mia_fairseq.errors import InputError
from mia_fairseq.models.ensemble import mean_answer
from mia_fairseq.predict.predictor import Predictor

DIMS = {"text": 5, "audio": 3}
FLAGS = ("--arch", "concat", "--aux-modalities", "audio", "--criterion", "ce_krl")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("ensemble") / "DATA", DIMS, label=EMOTIONS)


@pytest.fixture(scope="module")
def seeds(data: Path) -> list[Path]:
    for seed in ("1", "2"):
        more = ("--r-drop", "1.0") if seed == "2" else ()
        train(data, data.parent / seed, *FLAGS, "--seed", seed, "--max-epoch", "1", *more)
    return [data.parent / seed / "checkpoint_best.pt" for seed in ("1", "2")]


def probabilities(data: Path, path: str, out: Path) -> np.ndarray:
    results = out.with_suffix(".json")
    files = ("--predictions", out, "--results-json", results)
    validate(data, path, "--batch-size", "10", *files)
    assert json.loads(results.read_text())["n"] == 23
    rows = csv.DictReader(out.open(), delimiter="\t")
    return np.array([[float(row[f"p_{name}"]) for name in EMOTIONS.names] for row in rows])


def test_an_ensembles_probabilities_are_the_mean(data: Path, seeds: list[Path], tmp_path: Path):
    each = [probabilities(data, str(path), tmp_path / path.parent.name) for path in seeds]
    joined = ":".join(map(str, seeds))
    together = probabilities(data, joined, tmp_path / "together")
    assert np.abs(each[0] - each[1]).max() > 1e-3
    assert together == pytest.approx((each[0] + each[1]) / 2, abs=1e-5)
    predicted = list(Predictor(joined).predict_split(data, "test"))
    assert [list(p.probabilities.values()) for p in predicted] == [
        pytest.approx(row, abs=1e-5) for row in together.tolist()
    ]


def test_an_ensemble_of_other_modalities_is_refused(data: Path, seeds: list[Path], tmp_path: Path):
    flags = ("--arch", "unimodal", "--criterion", "ce_krl", "--max-epoch", "1")
    train(data, tmp_path, *flags)
    other = tmp_path / "checkpoint_best.pt"
    refused = validate(data, f"{seeds[0]}:{other}", "--batch-size", "10", check=False)
    assert "was trained on other modalities" in refused.stderr


def test_mean_answers_by_hand() -> None:
    scores = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    assert mean_answer(scores, "regression").tolist() == [2.0, 1.0]
    logits = torch.randn(3, 4, 2)
    assert torch.allclose(mean_answer(logits, "classes").exp(), logits.softmax(2).mean(0))
    far = mean_answer(torch.tensor([[[120.0, 0]], [[130.0, -5]]]), "classes")  # ln (e^-120 / 2)
    assert far[0].tolist() == pytest.approx([0, -120.6931], abs=1e-4)
    assert torch.allclose(
        mean_answer(logits, "multilabel").sigmoid(), logits.sigmoid().mean(0), atol=1e-5
    )


def test_the_mean_of_checkpoints_keeps_their_schema(data: Path, seeds: list[Path], tmp_path: Path):
    out = tmp_path / "mean.pt"
    main([*map(str, seeds), "--out", str(out)])
    one, other, mean = (torch.load(p, weights_only=False)["model"] for p in (*seeds, out))
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, (one[name] + other[name]) / 2, atol=1e-7)
    assert probabilities(data, str(out), tmp_path / "mean.tsv").shape == (23, 3)


def test_other_models_have_no_mean() -> None:
    states = [{"model": {"a": torch.zeros(size)}, "task_state": {}} for size in (2, 3)]
    with pytest.raises(InputError, match=r"x\.pt holds another model than y\.pt"):
        average(states, ["x.pt", "y.pt"])


def test_disagreement_by_hand() -> None:
    one, other = torch.randn(4, 3), torch.randn(4, 3)
    p, q = one.softmax(1), other.softmax(1)
    expected = (p * (p / q).log()).sum() + (q * (q / p).log()).sum()
    assert torch.allclose(disagreement(one, other), expected / 2, atol=1e-5)
    assert float(disagreement(one, one)) == pytest.approx(0, abs=1e-6)


def test_a_negative_weight_is_refused(data: Path, tmp_path: Path) -> None:
    refused = train(data, tmp_path, *FLAGS, "--r-drop", "-1", check=False)
    assert "--r-drop is -1, expected 0 or more" in refused.stderr
