"""LoRA through the commands: training, resuming, evaluation, prediction, transfer."""

import json
from pathlib import Path

import pytest
import torch
from harness import EMOTIONS, make_store, run_cli, train, validate
from released import small_bert

from mia_fairseq.encoders.lora import is_lora

TOKENS = {"text": 8, "audio": 4}
FUSED = ("--aux-modalities", "audio")


def weights(folder: Path, name: str = "checkpoint_last.pt") -> dict[str, torch.Tensor]:
    return torch.load(folder / name, weights_only=True)["model"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    small_bert(folder / "bert", ["a", "b", "c"])
    return make_store(folder / "DATA", TOKENS, kinds={"text": "tokens"}, seed=2)


@pytest.fixture(scope="module")
def flags(data: Path) -> tuple[str, ...]:
    return (*FUSED, "--encoder", f"text=hf:{data.parent / 'bert'}", "--lora", "text=2")


@pytest.fixture(scope="module")
def trained(data: Path, flags: tuple[str, ...]) -> Path:
    train(data, data.parent / "four", *flags, "--max-epoch", "4")
    return data.parent / "four" / "checkpoint_last.pt"


def test_it_resumes_bit_for_bit(
    data: Path, flags: tuple[str, ...], trained: Path, tmp_path: Path
) -> None:
    for epochs in ("2", "4"):
        train(data, tmp_path, *flags, "--max-epoch", epochs)
    assert same(weights(tmp_path), weights(trained.parent))
    held = [name for name in weights(tmp_path) if name.startswith("encoders.text.")]
    assert "encoders.text.sha256" in held
    assert len(held) == 1 + sum(is_lora(name) for name in held)


def test_it_is_evaluated_and_predicts_the_same(data: Path, trained: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.tsv"
    validate(data, trained, "--predictions", table)
    told = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    printed = run_cli("python", "-m", "mia_fairseq.predict", trained, data, "--json").stdout
    predicted = {one["id"]: one["prediction"] for one in json.loads(printed)}
    assert len(predicted) == len(told) == 23
    for row, _, value in told:
        assert predicted[row] == pytest.approx(float(value), abs=1e-5), row


def test_another_training_starts_from_it(data: Path, trained: Path, tmp_path: Path) -> None:
    emotions = make_store(
        tmp_path / "DATA", TOKENS, kinds={"text": "tokens"}, label=EMOTIONS, seed=5
    )
    to_classes = ("--criterion", "ce_krl", "--max-epoch", "1")
    moved = ("--init-from", trained, "--reset-head", "--train-only", "head")
    train(emotions, tmp_path / "init", *FUSED, *moved, *to_classes)
    before, after = weights(trained.parent), weights(tmp_path / "init")
    assert same(*({n: w for n, w in s.items() if n[:5] != "head."} for s in (before, after)))
    refused = train(
        *(emotions, tmp_path / "none", *FUSED, *moved, *to_classes, "--lora", "text=4"), check=False
    )
    assert "the checkpoint's maps have rank 2" in refused.stderr.splitlines()[-1]


def test_its_encoder_is_taken_over_merged(data: Path, trained: Path, tmp_path: Path) -> None:
    taken = (*FUSED, "--encoder", f"text=trained:{trained}", "--max-epoch", "1")
    train(data, tmp_path / "frozen", *taken, "--freeze", "text")
    held = weights(tmp_path / "frozen")
    maps = weights(trained.parent)
    name = "network.encoder.layer.1.attention.self.query"
    a, b = (maps[f"encoders.text.{name}.lora_{m}.default.weight"] for m in "AB")
    pretrained = _pretrained(data.parent / "bert")[name.removeprefix("network.") + ".weight"]
    merged = held[f"encoders.text.{name}.weight"]
    torch.testing.assert_close(merged, pretrained + 2 * b @ a)  # alpha / r = 2
    assert not any(is_lora(key) for key in held)
    # and once more, with maps of its own beside what was merged
    train(data, tmp_path / "again", *taken, "--lora", "text=3")
    validate(data, tmp_path / "again" / "checkpoint_last.pt")
    assert sum(is_lora(key) for key in weights(tmp_path / "again")) == 24


def _pretrained(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
