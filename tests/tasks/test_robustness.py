"""Derived modalities and robustness through the command lines: train, validate, results."""

import json
from pathlib import Path

import pytest
import torch
from conftest import make_store, train, validate

DIMS = {"text": 12, "audio": 7}
FLAGS = ("--aux-modalities", "audio", "--batch-size", "6", "--modality-dropout", "0.4")
COMPUTED = ("--derive", "a2=linear(audio)", "--context", "text[-2:-1],text[group]")
NAMES = ["text", "audio", "a2", "text[-2:-1]", "text[group]"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("data") / "DATA", DIMS)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a model of derived modalities, trained for two epochs, and the log."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(data, folder, *FLAGS, *COMPUTED).stdout


def results(data: Path, folder: Path, out: Path, *flags: str) -> dict:
    validate(data, folder / "checkpoint_best.pt", "--results-json", out, *flags)
    return json.loads(out.read_text())


def test_the_checkpoint_evaluates_without_the_flags(
    data: Path, trained: tuple[Path, str], tmp_path: Path
) -> None:
    folder, log = trained
    assert "train: text[-2:-1] is missing for 12 rows" in log  # the first of each group of 5
    found = results(data, folder, tmp_path / "out.json")
    assert found["n"] == 23 and found["modalities"] == NAMES
    assert found["derived"] == {
        "a2": "linear(audio)",
        "text[-2:-1]": "text[-2:-1]",
        "text[group]": "text[group]",
    }
    assert not {"drop", "noise", "misalign", "perturbation_seed"} & set(found)


def test_perturbations_are_the_same_every_time_and_recorded(
    data: Path, trained: tuple[Path, str], tmp_path: Path
) -> None:
    flags = ("--drop", "text[group]", "--noise", "text=1.5", "--misalign", "audio")
    found = [
        results(data, trained[0], tmp_path / f"{size}.json", *flags, "--batch-size", size)
        for size in ("4", "23")
    ]
    assert found[0]["n"] == 23 and found[0]["drop"] == ["text[group]"]
    assert found[0]["noise"] == {"text": 1.5} and found[0]["misalign"] == ["audio"]
    assert found[0]["perturbation_seed"] == 1
    assert found[0]["mae"] == pytest.approx(found[1]["mae"], abs=1e-6)
    clean = results(data, trained[0], tmp_path / "clean.json")
    assert found[0]["mae"] != pytest.approx(clean["mae"], abs=1e-3)


def test_an_unknown_modality_cannot_be_dropped(data: Path, trained: tuple[Path, str]) -> None:
    result = validate(data, trained[0] / "checkpoint_best.pt", "--drop", "a2", check=False)
    assert result.returncode == 1 and "names 'a2', which the checkpoint" in result.stderr
    assert "Traceback" not in result.stderr


def test_resumed_with_modality_dropout_it_ends_the_same(
    data: Path, trained: tuple[Path, str], tmp_path: Path
) -> None:
    train(data, tmp_path, *FLAGS, *COMPUTED, "--max-epoch", "1")
    log = train(data, tmp_path, *FLAGS, *COMPUTED, "--max-epoch", "2").stdout
    assert "Loaded checkpoint" in log
    whole, resumed = (
        torch.load(folder / "checkpoint_last.pt", weights_only=True)["model"]
        for folder in (trained[0], tmp_path)
    )
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


REFUSED = {
    "drop": (("--drop", "audio"), "belong to fairseq-validate"),
    "probability": (("--modality-dropout", "1"), "--modality-dropout is 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_training_refuses_with_one_sentence(data: Path, tmp_path: Path, case: str) -> None:
    flags, words = REFUSED[case]
    result = train(data, tmp_path, "--aux-modalities", "audio", *flags, check=False)
    assert result.returncode == 1
    assert words in result.stderr and "Traceback" not in result.stderr
