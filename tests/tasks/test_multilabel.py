"""Several emotions at once, all the way: a generated corpus with two independent emotions."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import train, validate

from mia_fairseq import average
from mia_fairseq.errors import InputError
from mia_fairseq.predict.predictor import load_model
from mia_fairseq.report.__main__ import main as report
from preprocess.import_arrays import main as import_arrays

ROWS = {"train": 240, "valid": 80, "test": 80}
FLAGS = ("--criterion", "bce_krl", "--aux-modalities", "audio", "--lr", "5e-3", "--max-epoch", "12")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text tells of one emotion, the audio of the other; intensities as CMU-MOSEI's are."""
    rng = np.random.default_rng(0)
    count = sum(ROWS.values())
    there = rng.random((count, 2)) < (0.5, 0.25)
    path = tmp_path_factory.mktemp("several") / "corpus.npz"
    np.savez(
        path,
        text=rng.normal(size=(count, 6)) + 2.5 * there[:, :1] * np.ones(6),
        audio=rng.normal(size=(count, 4)) + 2.5 * there[:, 1:] * np.ones(4),
        emotions=there * rng.choice([1 / 3, 1, 2], size=(count, 2)),
        words=np.array(["+".join(np.array(["happy", "sad"])[row]) or "-" for row in there]),
        split=np.repeat(list(ROWS), list(ROWS.values())),
    )
    return path


def imported(file: Path, out: Path, label: str = "emotions", names=("happy", "sad")) -> Path:
    flags = ["--label", label, "--multilabel", *names, "--split", "split", "--out", str(out)]
    import_arrays([str(file), "--modalities", "text", "audio", *flags])
    return out


@pytest.fixture(scope="module")
def data(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imported(file, tmp_path_factory.mktemp("several") / "DATA")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(data, folder, *FLAGS)
    return folder / "checkpoint_best.pt"


def test_numbers_and_words_give_the_same_data(file: Path, data: Path, tmp_path: Path) -> None:
    other = imported(file, tmp_path / "DATA", "words")
    assert (other / "train.tsv").read_text() == (data / "train.tsv").read_text()
    assert json.loads((data / "meta.json").read_text())["label"] == {
        "kind": "multilabel",
        "names": ["happy", "sad"],
    }


def test_two_independent_emotions_are_learnt(data: Path, trained: Path, tmp_path: Path) -> None:
    results, predictions = tmp_path / "results.json", tmp_path / "predictions.tsv"
    validate(data, trained, "--results-json", results, "--predictions", predictions)
    found = json.loads(results.read_text())
    assert found["n"] == ROWS["test"] and found["weighted_accuracy"] > 0.9
    assert all(found["by_label"][name]["weighted_f1"] > 0.9 for name in ("happy", "sad"))
    state = torch.load(trained, weights_only=True)["task_state"]
    assert found["thresholds"] == state["thresholds"]
    header, *lines = [line.split("\t") for line in predictions.read_text().splitlines()]
    assert header == ["id", "label", "prediction", "p_happy", "p_sad"]
    assert {line[2] for line in lines} == {"-", "happy", "sad", "happy+sad"}
    shares = np.array([[float(cell) for cell in line[3:]] for line in lines])
    assert (shares.sum(axis=1) > 1.5).any() and (shares.sum(axis=1) < 0.5).any()  # each by itself
    report([str(results), "--out", str(tmp_path / "report.html"), "--resamples", "100"])
    *_, line = (tmp_path / "report.md").read_text().strip().splitlines()
    assert line.count("1.000 [1.000, 1.000]") == 7  # with an interval for each emotion


def test_prediction_uses_the_thresholds_of_the_checkpoint(data: Path, trained: Path) -> None:
    predictor = load_model(trained)
    for row in list(predictor.predict_split(data, "test"))[:10]:
        named = [n for n, p in row.probabilities.items() if p >= predictor.thresholds[n]]
        assert row.value == ("+".join(named) or "-")


def test_thresholds_of_several_models_are_means(data: Path, trained: Path, tmp_path: Path) -> None:
    state = torch.load(trained, weights_only=True)
    own = state["task_state"]["thresholds"]
    state["task_state"]["thresholds"] = {"sad": 0.8}
    other = tmp_path / "other.pt"
    torch.save(state, other)
    expected = {"happy": (own["happy"] + 0.5) / 2, "sad": (own["sad"] + 0.8) / 2}
    found = []
    for joined in (f"{trained}:{other}", f"{other}:{trained}"):
        assert load_model(joined).thresholds == pytest.approx(expected)
        validate(data, joined, "--results-json", tmp_path / "results.json")
        found.append(json.loads((tmp_path / "results.json").read_text()))
    assert found[0] == found[1] and found[0]["thresholds"] == pytest.approx(expected)
    average.main([str(trained), str(other), "--out", str(tmp_path / "mean.pt")])
    assert load_model(tmp_path / "mean.pt").thresholds == pytest.approx(expected)
    state["task_state"]["fold"] = 2
    torch.save(state, other)
    with pytest.raises(InputError, match="holds another model"):
        average.main([str(trained), str(other), "--out", str(tmp_path / "mean.pt")])


def test_another_criterion_names_the_right_one(data: Path, tmp_path: Path) -> None:
    done = train(data, tmp_path, "--aux-modalities", "audio", check=False)
    assert done.returncode != 0 and "use --criterion bce_krl" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("label", "names", "message"),
    [
        ("emotions", ("happy", "sad", "fear"), "row '0': has labels .*expected 3 numbers"),
        ("words", ("joy", "sad"), "row .*has 'happy'"),
        ("emotions", ("a+b", "c"), "none with '\\+'"),
        ("emotions", ("same", "same"), "different names"),
    ],
)
def test_what_importing_refuses(
    file: Path, tmp_path: Path, label: str, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        imported(file, tmp_path / "DATA", label, names)
