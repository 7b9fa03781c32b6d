"""Three encoders at once through fairseq's commands: text, codes of speech, and faces."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import SCORES, run_cli, train, validate
from released import fabnet_state, small_roberta

from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter

WORDS = [f"w{number}" for number in range(12)]
FIRST, LAST = 4, 15  # ids of the words; fairseq's <s>, <pad>, </s>, <unk> come before
POSITIONS = {"text": 8, "audio": 12}
ROWS = {"train": 16, "valid": 5, "test": 6}
FLAGS = ("--derive", "text2=linear(text)", "--context", "text[-1:-1]", "--batch-size", "8")
FLAGS += ("--ffn-dim", "32", "--no-adapters", "--optimizer", "adam_fused", "--clip-norm", "1")


@pytest.fixture(scope="module")
def releases(tmp_path_factory) -> dict[str, Path]:
    """Small checkpoints of the released formats."""
    root = tmp_path_factory.mktemp("releases")
    for name, file in (("text", "model.pt"), ("audio", "bert_kmeans.pt")):
        (root / name).mkdir()
        small_roberta(root / name, file, WORDS, POSITIONS[name])
    torch.save({"state_dict_model": fabnet_state()}, root / "affectnet_4views.pth")
    return {"text": root / "text", "audio": root / "audio", "video": root / "affectnet_4views.pth"}


@pytest.fixture(scope="module")
def data(tmp_path_factory, releases: dict[str, Path]) -> Path:
    """Words and codes that grow with the score, faces that are brighter; some are missing."""
    path, rng = tmp_path_factory.mktemp("data") / "DATA", np.random.default_rng(0)
    about = {"pad": 1, "dictionary": "fairseq", "tokenizer": {"sha256": "0" * 64}}
    specs = {name: ModalitySpec(16, "test", "tokens", about) for name in ("text", "audio")}
    specs["video"] = ModalitySpec(256, "test", "frames")
    texts = {name: (releases[name] / "dict.txt").read_text() for name in ("text", "audio")}
    settings = {"corpus": "test", "label": SCORES, "modalities": specs, "dictionaries": texts}
    with StoreWriter(path, **settings) as store:
        for split, count in ROWS.items():
            for row in range(count):
                score = float(rng.uniform(-3, 3))
                word = FIRST + round((score + 3) / 6 * (LAST - FIRST))
                said = int(rng.integers(1, 6)) if row else 10  # one text is beyond its positions
                features = {
                    "text": [0, *[word] * said, 2],
                    "audio": [0, *[word] * int(rng.integers(1, 8)), 2] if row % 4 else [],
                    "video": np.full((1 + row % 2, 256, 256, 3), 40 * score + 125)
                    if row % 3
                    else [],
                }
                arrays = {
                    name: np.array(value, np.uint8 if name == "video" else np.int64)
                    for name, value in features.items()
                }
                if not len(features["video"]):
                    arrays["video"] = np.zeros((0, 256, 256, 3), np.uint8)
                place = Utterance(f"{split}{row}", score, None, f"{split}{row // 4}", row % 4)
                store.add(split, place, arrays)
    return path


def encoder_flags(releases: dict[str, Path]) -> tuple[str, str]:
    kinds = {"text": "roberta", "audio": "roberta", "video": "fabnet"}
    return "--encoder", ",".join(f"{name}={kinds[name]}:{releases[name]}" for name in kinds)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["model"]


@pytest.fixture(scope="module")
def trained(data: Path, releases: dict[str, Path], tmp_path_factory) -> tuple[Path, str]:
    """All three trained for three epochs: the folder of checkpoints, and what was logged."""
    folder = tmp_path_factory.mktemp("trained")
    flags = (*encoder_flags(releases), *FLAGS, "--max-epoch", "3", "--lr", "3e-4")
    logged = train(data, folder, *flags, "--encoder-lr-scale", "0.5", "--layer-decay", "0.8")
    return folder, logged.stdout


def test_the_loss_falls_and_what_is_cut_is_told(trained: tuple[Path, str]) -> None:
    _, logged = trained
    lines = [line for line in logged.splitlines() if "| train | epoch" in line]
    losses = [float(line.split("| loss ")[1].split(" ")[0]) for line in lines]
    assert len(losses) == 3 and losses[2] < losses[0], losses
    assert "train: text of 1 of 16 rows is cut to the 8 positions of its encoder" in logged


def test_every_layer_of_every_encoder_has_learnt(
    trained: tuple[Path, str], data: Path, releases: dict[str, Path], tmp_path: Path
) -> None:
    flags = (*encoder_flags(releases), *FLAGS, "--max-epoch", "1", "--lr", "3e-4")
    train(data, tmp_path, *flags, "--freeze", "video", "--unfreeze-from", "audio=2")
    start = weights(tmp_path / "checkpoint_last.pt")
    end = weights(trained[0] / "checkpoint_last.pt")
    stages = [f"network.{number}.weight" for number in (0, 2, 5, 8, 11, 14, 17, 20)]
    names = {"video": stages}
    for name in ("text", "audio"):
        blocks = [f"network.layers.{number}.fc1.weight" for number in (0, 1)]
        names[name] = ["network.embed_tokens.weight", *blocks]
    frozen = {"video": stages, "audio": names["audio"][:2], "text": []}
    released = torch.load(releases["video"], weights_only=True)["state_dict_model"]
    for stage in stages:
        kept = released[stage.replace("network.", "encoder.")]
        assert torch.equal(start[f"encoders.video.{stage}"], kept)
    for name, layers in names.items():
        for layer in layers:
            key = f"encoders.{name}.{layer}"
            assert not torch.equal(start[key], end[key]), key
    kept = {f"encoders.{name}.{layer}" for name, layers in frozen.items() for layer in layers}
    again = tmp_path / "again"
    train(data, again, *flags, "--freeze", "video", "--unfreeze-from", "audio=2", "--lr", "1e-2")
    moved = weights(again / "checkpoint_last.pt")
    for name, layers in names.items():
        for layer in layers:
            key = f"encoders.{name}.{layer}"
            assert torch.equal(moved[key], start[key]) == (key in kept), key


def test_a_resumed_run_ends_as_the_whole_one_did(
    trained: tuple[Path, str], data: Path, releases: dict[str, Path], tmp_path: Path
) -> None:
    flags = (*encoder_flags(releases), *FLAGS, "--lr", "3e-4", "--encoder-lr-scale", "0.5")
    for epochs in ("1", "3"):
        train(data, tmp_path, *flags, "--layer-decay", "0.8", "--max-epoch", epochs)
    whole = weights(trained[0] / "checkpoint_last.pt")
    halves = weights(tmp_path / "checkpoint_last.pt")
    assert whole.keys() == halves.keys()
    assert all(torch.equal(whole[key], halves[key]) for key in whole)


def test_a_checkpoint_is_evaluated_without_the_releases(
    trained: tuple[Path, str], data: Path, releases: dict[str, Path], tmp_path: Path
) -> None:
    away = releases["text"].parent.rename(tmp_path / "away")
    try:
        results = tmp_path / "results.json"
        validate(data, trained[0] / "checkpoint_last.pt", "--results-json", results)
    finally:
        away.rename(releases["text"].parent)
    assert json.loads(results.read_text())["n"] == ROWS["test"]


def test_predict_agrees_with_the_evaluation(
    trained: tuple[Path, str], data: Path, tmp_path: Path
) -> None:
    checkpoint, table = trained[0] / "checkpoint_last.pt", tmp_path / "predictions.tsv"
    validate(data, checkpoint, "--predictions", table)
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    place = lines[0].index("prediction")
    evaluated = {line[0]: float(line[place]) for line in lines[1:]}
    told = run_cli("python", "-m", "mia_fairseq.predict", checkpoint, data, "--json")
    predicted = {row["id"]: row["prediction"] for row in json.loads(told.stdout)}
    assert len(predicted) == ROWS["test"]
    assert predicted == pytest.approx(evaluated, abs=1e-5)


def test_frozen_encoders_may_stay_out_of_checkpoints(
    data: Path, releases: dict[str, Path], tmp_path: Path
) -> None:
    flags = (*encoder_flags(releases), *FLAGS, "--max-epoch", "1", "--freeze", "audio,video")
    train(data, tmp_path / "whole", *flags)
    train(data, tmp_path / "small", *flags, "--leave-out-frozen")
    sizes = [(tmp_path / f / "checkpoint_last.pt").stat().st_size for f in ("whole", "small")]
    assert sizes[1] < sizes[0] - 4_000_000  # FAb-Net's 1.2 million weights, and more
    found = []
    for folder in ("whole", "small"):
        results = tmp_path / f"{folder}.tsv"
        validate(data, tmp_path / folder / "checkpoint_last.pt", "--predictions", results)
        found.append(results.read_text())
    assert found[0] == found[1]
    away = releases["video"].rename(tmp_path / "away.pth")
    try:
        told = validate(data, tmp_path / "small" / "checkpoint_last.pt", check=False)
        assert told.returncode == 1 and "leaves out the frozen encoder of video" in told.stderr
        state = torch.load(away, weights_only=True)
        state["state_dict_model"]["encoder.0.weight"] += 1
        torch.save(state, releases["video"])
        for command in (
            validate(data, tmp_path / "small" / "checkpoint_last.pt", check=False),
            train(data, tmp_path / "small", *flags, "--leave-out-frozen", check=False),
        ):
            assert command.returncode == 1
            assert "which it leaves out; give those" in command.stderr.splitlines()[-1]
    finally:
        away.rename(releases["video"])


def test_bf16_trains_on_a_cpu(data: Path, releases: dict[str, Path], tmp_path: Path) -> None:
    flags = (*encoder_flags(releases), *FLAGS, "--channels", "2", "--encoder-lr-scale", "0.5")
    train(data, tmp_path, *flags, "--bf16", "--max-epoch", "1", "--gradient-checkpointing")
    state = weights(tmp_path / "checkpoint_last.pt")
    for name, tensor in state.items():  # fairseq writes float32, of numbers that bf16 has
        assert tensor.isfinite().all()
        narrow = torch.equal(tensor.bfloat16().to(tensor.dtype), tensor)
        assert narrow or name.endswith((".running_mean", ".running_var")), name
    results = tmp_path / "results.json"
    validate(data, tmp_path / "checkpoint_last.pt", "--results-json", results)
    assert json.loads(results.read_text())["n"] == ROWS["test"]


def test_another_optimizer_is_told_of_the_rates(
    data: Path, releases: dict[str, Path], tmp_path: Path
) -> None:
    flags = (*encoder_flags(releases), *FLAGS, "--optimizer", "adam", "--encoder-lr-scale", "0.5")
    told = train(data, tmp_path, *flags, check=False)
    assert told.returncode == 1 and "use --optimizer adam_fused" in told.stderr.splitlines()[-1]
