"""Heads of further labels, trained beside the label and evaluated where the rows have them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import train, validate

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.metrics import sims_metrics
from mia_fairseq.modules.label_losses import known_losses
from mia_fairseq.predict.predictor import load_model

SIMS, MOODS = LabelSpec("regression", -1, 1), LabelSpec("multilabel", names=("happy", "sad"))
FURTHER = {"text": SIMS, "audio": SIMS, "moods": MOODS}
ROWS = {"train": 160, "valid": 40, "test": 60}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text and audio have scores of their own; the label is their mean; moods are their signs."""
    path = tmp_path_factory.mktemp("further") / "DATA"
    rng = np.random.default_rng(0)
    specs = {"text": ModalitySpec(6, "x"), "audio": ModalitySpec(4, "x")}
    settings = {"corpus": "test", "label": SIMS, "modalities": specs}
    with StoreWriter(path, **settings, further_labels=FURTHER) as store:
        for split, count in ROWS.items():
            for row in range(count):
                text, audio = np.round(rng.uniform(-1, 1, 2), 2)
                features = {
                    "text": 3 * text + 0.3 * rng.normal(size=(1, 6)),
                    "audio": 3 * audio + 0.3 * rng.normal(size=(1, 4)),
                }
                further = {"text": text, "moods": float((text > 0) + 2 * (audio < 0))}
                if row % 3:  # others have no label of the audio
                    further["audio"] = audio
                utterance = Utterance(f"{split}{row}", (text + audio) / 2, further=further)
                store.add(split, utterance, features)
    return path


def results_of(data: Path, folder: Path, *flags: str) -> dict:
    train(data, folder, "--aux-modalities", "audio", "--lr", "5e-3", "--max-epoch", "15", *flags)
    out = folder / "results.json"
    validate(data, folder / "checkpoint_best.pt", "--results-json", out)
    return json.loads(out.read_text())


def test_an_ensemble_tells_further_labels_too(data: Path, tmp_path: Path) -> None:
    flags = ("--aux-modalities", "audio", "--max-epoch", "1", "--further-labels", "text,moods")
    train(data, tmp_path, *flags)
    one = str(tmp_path / "checkpoint_last.pt")
    found = []
    for path in (one, f"{one}:{one}"):
        validate(data, path, "--results-json", tmp_path / "results.json")
        found.append(json.loads((tmp_path / "results.json").read_text())["further"])
    assert found[0].keys() == found[1].keys() == {"text", "moods"}
    assert found[1]["text"] == pytest.approx(found[0]["text"], abs=1e-5)
    assert found[1]["moods"]["accuracy"] == found[0]["moods"]["accuracy"]
    for path in (one, f"{one}:{one}"):
        row = next(load_model(path).predict_split(data, "test"))
        assert row.further.keys() == {"text", "moods"}


def test_several_heads_are_learnt_at_once(data: Path, tmp_path: Path) -> None:
    found = results_of(data, tmp_path, "--further-labels", "text,audio,moods")
    further = found["further"]
    assert found["corr"] > 0.9 and further["text"]["corr"] > 0.9 and further["audio"]["corr"] > 0.9
    assert further["text"]["n"] == 60 and further["audio"]["n"] == 40
    assert further["moods"]["weighted_accuracy"] > 0.85
    assert {"sims_acc2", "sims_acc3", "sims_acc5", "sims_f1"} <= set(found)
    state = torch.load(tmp_path / "checkpoint_best.pt", weights_only=True)
    assert set(state["task_state"]["thresholds"]) == {"moods/happy", "moods/sad"}
    for row in list(load_model(tmp_path / "checkpoint_best.pt").predict_split(data, "test"))[:5]:
        assert set(row.further) == {"text", "audio", "moods"}
        assert isinstance(row.further["text"], float) and isinstance(row.further["moods"], str)
    heads = {name: tensor.shape for name, tensor in state["model"].items() if "further" in name}
    assert heads["further_heads.audio.weight"] == (1, 4)  # from the audio alone
    assert heads["further_heads.moods.weight"] == (2, 6)


def test_without_the_flag_nothing_of_them_is_learnt(data: Path, tmp_path: Path) -> None:
    found = results_of(data, tmp_path, "--max-epoch", "2")
    model = torch.load(tmp_path / "checkpoint_best.pt", weights_only=True)["model"]
    assert "further" not in found and not any("further" in name for name in model)


def test_self_mm_takes_labels_that_the_corpus_has(data: Path, tmp_path: Path) -> None:
    flags = ("--arch", "self_mm", "--fusion-dim", "8", "--gamma", "0.5", "--max-epoch", "3")
    found = results_of(data, tmp_path, *flags, "--further-labels", "text,audio")
    assert set(found["further"]) == {"text", "audio"}


def test_an_unknown_one_is_refused(data: Path, tmp_path: Path) -> None:
    done = train(
        data, tmp_path, "--aux-modalities", "audio", "--further-labels", "video", check=False
    )
    assert "has no further label 'video', it has text, audio, moods" in done.stdout + done.stderr


def test_rows_without_the_label_take_no_part() -> None:
    output = torch.tensor([[1.0], [5.0], [2.0]], requires_grad=True)
    losses = known_losses("regression", output, torch.tensor([0.0, float("nan"), 4.0]))
    assert losses.tolist() == [1.0, 2.0]
    losses.sum().backward()
    assert output.grad.flatten().tolist() == [1.0, 0.0, -1.0]
    classes = known_losses("classes", torch.zeros(2, 4), torch.tensor([1.0, float("nan")]))
    assert torch.allclose(classes, torch.tensor([4.0]).log())


def test_simss_intervals_by_hand() -> None:
    truth = [-1.0, -0.7, -0.6, -0.1, 0.0, 0.1, 0.2, 0.7, 0.8, 0.0]
    intervals = [0, 0, 1, 1, 2, 2, 3, 3, 4, 2]  # each limit belongs to the interval below
    for limit, guess in enumerate((-0.9, -0.5, 0.05, 0.5, 0.9)):
        found = sims_metrics([guess] * 10, truth)
        assert found["sims_acc5"] == sum(i == limit for i in intervals) / 10
    found = sims_metrics([0.05] * 10, truth)
    assert found["sims_acc3"] == 3 / 10 and found["sims_acc2"] == 4 / 10
    assert sims_metrics([3.0] * 10, truth)["sims_acc5"] == 1 / 10  # clipped
