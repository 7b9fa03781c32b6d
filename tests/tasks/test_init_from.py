"""Models that start from another corpus or task (Sec. 5.2), through fairseq's commands."""

import json
from pathlib import Path

import pytest
import torch
from harness import EMOTIONS, SCORES, make_store, train, validate
from released import small_bert

DIMS = {"text": 12, "audio": 7, "video": 5}  # as the fixture `corpus`
TOKENS = {"text": 8, "audio": 4}
CONTEXT = ("--aux-modalities", "audio", "--context", "text[-1:-1]", "--optimizer", "adam_fused")


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["model"]


def last_line(result) -> str:
    assert result.returncode == 1
    return result.stderr.splitlines()[-1]


def same_but_head(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[k], other[k]) for k in one if not k.startswith("head."))


@pytest.fixture(scope="module")
def emotions(tmp_path_factory) -> Path:
    return make_store(tmp_path_factory.mktemp("emotions") / "DATA", DIMS, label=EMOTIONS, seed=3)


def test_the_head_alone_is_trained_anew_for_other_labels(
    checkpoint: Path, emotions: Path, tmp_path: Path
) -> None:
    flags = ("--init-from", checkpoint, "--reset-head", "--train-only", "head")
    flags += ("--criterion", "ce_krl", "--dropout", "0.3", "--modality-dropout", "0.2")
    train(emotions, tmp_path, *flags, "--max-epoch", "2")
    trained, moved = weights(checkpoint), weights(tmp_path / "checkpoint_last.pt")
    assert same_but_head(trained, moved)  # statistics of features and batch norms too
    assert moved["head.weight"].shape == (3, trained["head.weight"].shape[1])
    results = tmp_path / "results.json"
    # Evaluation does not need the checkpoint that training started from.
    validate(emotions, tmp_path / "checkpoint_last.pt", "--results-json", results)
    assert json.loads(results.read_text())["n"] == 23
    # The same training in halves ends as the whole one did.
    for epochs in ("1", "2"):
        train(emotions, tmp_path / "halves", *flags, "--max-epoch", epochs)
    halves = weights(tmp_path / "halves" / "checkpoint_last.pt")
    assert all(torch.equal(moved[key], halves[key]) for key in moved)


def test_the_whole_model_is_trained_on_for_the_same_labels(
    checkpoint: Path, tmp_path: Path
) -> None:
    more = make_store(tmp_path / "DATA", DIMS, seed=7)
    train(more, tmp_path / "still", "--init-from", checkpoint, "--max-epoch", "1", "--lr", "1e-30")
    trained, still = weights(checkpoint), weights(tmp_path / "still" / "checkpoint_last.pt")
    learnt = {k for k in trained if "running_" not in k and "num_batches" not in k}
    for name in learnt:
        torch.testing.assert_close(still[name], trained[name])  # the head too
    train(more, tmp_path / "moved", "--init-from", checkpoint, "--max-epoch", "1")
    assert not same_but_head(trained, weights(tmp_path / "moved" / "checkpoint_last.pt"))


def test_tokens_go_both_ways_between_scores_and_classes(tmp_path: Path) -> None:
    """MELD to MOSI and back, in small: an encoder, a context, and features."""
    small_bert(tmp_path / "bert", ["a", "b", "c"])
    encoder = ("--encoder", f"text=hf:{tmp_path / 'bert'}", "--encoder-lr-scale", "0.1")
    data, criteria = {}, {"scores": "mae_krl", "classes": "ce_krl"}
    for name, label in (("scores", SCORES), ("classes", EMOTIONS)):
        data[name] = make_store(tmp_path / name, TOKENS, label=label, kinds={"text": "tokens"})
        flags = (*CONTEXT, *encoder, "--criterion", criteria[name], "--max-epoch", "1")
        train(data[name], tmp_path / f"of_{name}", *flags)
    (tmp_path / "bert").rename(tmp_path / "away")  # the checkpoint holds the encoder
    for name, other in (("scores", "classes"), ("classes", "scores")):
        source = tmp_path / f"of_{other}" / "checkpoint_best.pt"
        flags = (*CONTEXT, "--criterion", criteria[name], "--max-epoch", "1")
        flags += ("--init-from", source, "--reset-head", "--train-only", "head")
        train(data[name], tmp_path / f"to_{name}", *flags)
        best = tmp_path / f"to_{name}" / "checkpoint_best.pt"
        assert same_but_head(weights(source), weights(best))
        validate(data[name], best, "--results-json", tmp_path / "results.json")
        assert json.loads((tmp_path / "results.json").read_text())["n"] == 23


def test_what_is_left_out_is_handed_over_too(tmp_path: Path) -> None:
    small_bert(tmp_path / "bert", ["a", "b", "c"])
    data = make_store(tmp_path / "DATA", TOKENS, kinds={"text": "tokens"})
    flags = (*CONTEXT, "--encoder", f"text=hf:{tmp_path / 'bert'}", "--max-epoch", "1")
    small = (*flags, "--freeze", "text", "--leave-out-frozen")
    train(data, tmp_path / "small", *small)
    source = tmp_path / "small" / "checkpoint_best.pt"
    train(data, tmp_path / "again", *small, "--init-from", source)
    train(data, tmp_path / "whole", *flags, "--init-from", source)  # now the encoder learns
    names = [
        {key for key in weights(tmp_path / folder / "checkpoint_best.pt") if ".text." in key}
        for folder in ("small", "again", "whole")
    ]
    assert names[0] == names[1] and len(names[2]) > 30
    assert "encoders.text.sha256" in names[0] and "encoders.text.sha256" not in names[2]


def test_what_does_not_fit_is_told(checkpoint: Path, emotions: Path, tmp_path: Path) -> None:
    def told(data: Path, *flags: str | Path) -> str:
        return last_line(train(data, tmp_path / "none", *flags, check=False))

    anew, classes = ("--init-from", checkpoint), ("--criterion", "ce_krl")
    assert "add --reset-head" in told(emotions, *anew, *classes)
    reset = (*anew, "--reset-head", *classes)
    assert "trained on text, audio, video, got text, video; give" in told(
        emotions, *reset, "--aux-modalities", "video"
    )
    assert "audio2=linear(audio)" in told(emotions, *reset, "--derive", "audio2=linear(audio)")
    assert "it was trained with --channels 1" in told(emotions, *reset, "--channels", "2")
    assert "it was trained with --arch mia_net" in told(emotions, *reset, "--arch", "concat")
    other = make_store(tmp_path / "OTHER", {**DIMS, "audio": 8}, label=EMOTIONS)
    assert "audio has dim 8" in told(other, *reset)
    assert "--init-from names none" in told(emotions, "--reset-head", *classes)
    assert "--init-from names none" in told(emotions, "--train-only", "head", *classes)
    (tmp_path / "broken.pt").write_bytes(b"no checkpoint")
    assert "broken.pt cannot be read" in told(emotions, "--init-from", tmp_path / "broken.pt")
    assert "no such checkpoint" in told(emotions, "--init-from", tmp_path / "none.pt")
    torch.save({"state_dict_model": {}}, tmp_path / "foreign.pt")
    assert "no checkpoint of fairseq-train" in told(
        emotions, "--init-from", tmp_path / "foreign.pt"
    )
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "task_state": {}}, tmp_path / "other_task.pt")
    assert "holds no schema" in told(emotions, "--init-from", tmp_path / "other_task.pt")
