"""Derived modalities and robustness through the command lines: train, validate, results."""

import json
from pathlib import Path

import pytest
import torch
from harness import make_store, train, validate

from mia_fairseq.errors import InputError
from mia_fairseq.tasks.multimodal_affect import MultimodalAffectConfig, MultimodalAffectTask

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


@pytest.fixture(scope="module")
def clean(data: Path, trained: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    return results(data, trained[0], tmp_path_factory.mktemp("clean") / "out.json")


def test_the_checkpoint_evaluates_without_the_flags(trained: tuple[Path, str], clean: dict) -> None:
    assert "train: text[-2:-1] is missing for 12 rows" in trained[1]  # the first of each group
    assert clean["n"] == 23 and clean["modalities"] == NAMES
    assert clean["derived"] == {
        "a2": "linear(audio)",
        "text[-2:-1]": "text[-2:-1]",
        "text[group]": "text[group]",
    }
    assert not {"drop", "noise", "misalign", "perturbation_seed"} & set(clean)


def test_perturbations_are_the_same_every_time_and_recorded(
    data: Path, trained: tuple[Path, str], clean: dict, tmp_path: Path
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
    assert found[0]["mae"] != pytest.approx(clean["mae"], abs=1e-3)


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


@pytest.mark.parametrize("flag", ["drop", "noise", "misalign"])
def test_training_refuses_to_perturb(data: Path, flag: str) -> None:
    given = {flag: "audio=1" if flag == "noise" else "audio"}
    cfg = MultimodalAffectConfig(data=str(data), **given)
    with pytest.raises(InputError, match="belong to fairseq-validate"):
        MultimodalAffectTask(cfg)
    assert MultimodalAffectTask(cfg, evaluating=True).perturbation.names == ("audio",)
