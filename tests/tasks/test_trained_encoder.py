"""An encoder that another training left, alone, in a model of another kind."""

import json
from pathlib import Path

import pytest
import torch
from harness import EMOTIONS, make_store, train, validate
from released import small_bert

from mia_fairseq.checkpoints.rows_seen import seen_by

TOKENS = {"text": 8, "audio": 4}
ALONE = ("--arch", "unimodal", "--aux-modalities", "audio", "--max-epoch", "1")
FUSED = ("--aux-modalities", "audio", "--max-epoch", "1")


def encoder_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    state = torch.load(checkpoint, weights_only=True)["model"]
    return {name: value for name, value in state.items() if name.startswith("encoders.text.")}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_store(
        tmp_path_factory.mktemp("trained") / "DATA", TOKENS, kinds={"text": "tokens"}, seed=2
    )


@pytest.fixture(scope="module")
def teacher(data: Path) -> Path:
    """Text alone, its encoder trained, and the pretrained files gone."""
    bert, folder = data.parent / "bert", data.parent / "teacher"
    small_bert(bert, ["a", "b", "c"])
    train(data, folder, *ALONE, "--encoder", f"text=hf:{bert}")
    bert.rename(bert.with_name("away"))
    return folder / "checkpoint_best.pt"


def test_the_encoder_goes_on_from_what_it_learnt(data: Path, teacher: Path, tmp_path: Path) -> None:
    emotions = make_store(
        tmp_path / "DATA", TOKENS, kinds={"text": "tokens"}, label=EMOTIONS, seed=5
    )
    for freeze in (("--freeze", "text"), ()):
        folder = tmp_path / f"student{len(freeze)}"
        flags = ("--criterion", "ce_krl", "--encoder", f"text=trained:{teacher}", *freeze)
        train(emotions, folder, *FUSED, *flags)
        before, after = encoder_weights(teacher), encoder_weights(folder / "checkpoint_best.pt")
        assert before.keys() == after.keys() and len(before) > 30
        same = [torch.equal(before[name], after[name]) for name in before]
        assert all(same) if freeze else not all(same)
    # The student's checkpoint needs neither its teacher's nor the pretrained files.
    away = teacher.rename(teacher.with_suffix(".away"))
    validate(emotions, folder / "checkpoint_best.pt", "--results-json", tmp_path / "results.json")
    away.rename(teacher)
    assert json.loads((tmp_path / "results.json").read_text())["n"] == 23


def test_an_encoder_of_another_fold_is_refused(data: Path, teacher: Path, tmp_path: Path) -> None:
    state = torch.load(teacher, weights_only=True)
    state["task_state"]["fold"] = 3
    torch.save(state, tmp_path / "three.pt")
    flags = (*FUSED, "--encoder", f"text=trained:{tmp_path / 'three.pt'}")
    result = train(data, tmp_path / "none", *flags, check=False)
    assert "three.pt was trained with --fold 3, this run has none" in result.stderr
    state["task_state"]["schema"]["corpus"] = "other"
    torch.save(state, tmp_path / "three.pt")
    train(data, tmp_path / "some", *flags)
    kept = torch.load(tmp_path / "some" / "checkpoint_last.pt", weights_only=True)["task_state"]
    assert seen_by(kept) == (("test", None), ("other", 3))


def test_what_cannot_be_taken_over_is_told(data: Path, teacher: Path, tmp_path: Path) -> None:
    def told(source: str, data: Path = data, *flags: str) -> str:
        result = train(data, tmp_path / "none", *FUSED, "--encoder", source, *flags, check=False)
        assert result.returncode == 1
        return str(result.stderr.splitlines()[-1])

    assert "no such checkpoint" in told(f"text=trained:{tmp_path / 'none.pt'}")
    small = ("--leave-out-frozen", "--freeze", "text")
    spare = tmp_path / "bert"
    small_bert(spare, ["a", "b", "c"])
    train(data, tmp_path / "left_out", *ALONE, "--encoder", f"text=hf:{spare}", *small)
    left_out = tmp_path / "left_out" / "checkpoint_best.pt"
    assert "leaves its frozen encoder out; give hf:" in told(f"text=trained:{left_out}")
    vectors = make_store(tmp_path / "VECTORS", {"text": 8, "audio": 4})
    train(vectors, tmp_path / "vectors", *FUSED)
    plain = tmp_path / "vectors" / "checkpoint_best.pt"
    assert "has no encoder, expected one of text" in told(f"text=trained:{plain}")
