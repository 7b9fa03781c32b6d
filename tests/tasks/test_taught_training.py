"""Fusions that learn from labels and keep state by row, through fairseq's own commands."""

import json
from pathlib import Path

import pytest
import torch
from harness import make_store, train, validate

FLAGS = ("--aux-modalities", "audio,video", "--fusion-dim", "8", "--gamma", "0.5")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoint_last.pt", weights_only=True)["model"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught") / "DATA"
    return make_store(folder, {"text": 12, "audio": 7, "video": 5}, missing=0.1)


@pytest.mark.parametrize("name", ["self_mm", "his_msa"])
def test_a_resumed_run_has_the_same_weights_and_labels_bit_by_bit(
    name: str, data: Path, tmp_path: Path
) -> None:
    train(data, tmp_path / "whole", "--arch", name, *FLAGS, "--max-epoch", "4")
    for epochs in ("2", "4"):
        train(data, tmp_path / "halves", "--arch", name, *FLAGS, "--max-epoch", epochs)
    whole, halves = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert whole.keys() == halves.keys()
    assert all(torch.equal(whole[key], halves[key]) for key in whole)
    made = whole["fusion.unimodal.labels.vectors"]
    assert made.shape == (60, 7) and (whole["fusion.unimodal.labels.visits"] == 4).all()
    assert (made[:, 0] != made[:, 1]).any()  # the text's labels have moved


def test_a_checkpoint_with_rows_is_evaluated_and_started_from(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "first", "--arch", "self_mm", *FLAGS)
    checkpoint, results = tmp_path / "first" / "checkpoint_best.pt", tmp_path / "results.json"
    validate(data, checkpoint, "--results-json", results)
    assert json.loads(results.read_text())["n"] == 23
    other = make_store(tmp_path / "OTHER", {"text": 12, "audio": 7, "video": 5}, rows={
        "train": 31, "valid": 9, "test": 5,
    })  # fmt: skip
    train(other, tmp_path / "second", "--arch", "self_mm", *FLAGS, "--init-from", checkpoint)
    assert len(weights(tmp_path / "second")["fusion.unimodal.labels.visits"]) == 31


def test_a_bottleneck_learns_from_labels(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path, "--arch", "mib", *FLAGS, "--max-epoch", "3")
    assert any(name.startswith("fusion.single.audio.decoder") for name in weights(tmp_path))


def test_what_a_fusion_names_is_in_the_results(data: Path, tmp_path: Path) -> None:
    flags = ("--arch", "multimodal_routing", "--routing-concepts", "3")
    train(data, tmp_path, *flags, *FLAGS, "--max-epoch", "1")
    results, told = tmp_path / "results.json", []
    for size in ("64", "5"):
        flags = ("--results-json", results, "--batch-size", size)
        validate(data, tmp_path / "checkpoint_best.pt", *flags)
        told.append(json.loads(results.read_text())["parts"])
    assert len(told[0]) == 7 and all(len(values) == 3 for values in told[0].values())
    for name in told[0]:  # means over the rows, whatever the batches
        assert told[1][name] == pytest.approx(told[0][name], abs=1e-5)
