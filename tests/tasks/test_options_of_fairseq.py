"""fairseq's own options with this task: each works, or says why it cannot."""

from pathlib import Path

import pytest
import torch
from harness import EMOTIONS, make_store, run_cli, train, validate

FLAGS = ("--arch", "unimodal", "--main-modality", "text", "--max-epoch", "1")


def test_a_mean_of_weights_is_kept(corpus: Path, tmp_path: Path) -> None:
    """mia_net counts the batches of its norms in whole numbers."""
    train(corpus, tmp_path, "--store-ema", "--ema-decay", "0.5", "--max-epoch", "1")
    state = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    own, mean = state["model"], state["extra_state"]["ema"]
    counts = [name for name in own if not own[name].is_floating_point()]
    assert counts and all(torch.equal(own[name], mean[name]) for name in counts)
    assert any(not torch.equal(own[name], mean[name]) for name in own if name not in counts)


def test_divergence_is_one_sentence(corpus: Path, tmp_path: Path) -> None:
    ended = train(corpus, tmp_path, *FLAGS, "--lr", "1e38", "--max-epoch", "9", check=False)
    assert ended.returncode == 1 and "error: training diverged" in ended.stderr
    assert "Traceback" not in ended.stderr and "StopIteration" not in ended.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--cpu", "--fp16"), "--fp16 needs a GPU"),
        (("--encoder", "text=hf:minilm"), "holds as features"),
        (("--encoder", "smell=hf:minilm"), "--encoder names 'smell'"),
        (("--max-tokens", "1"), "longer than --max-tokens"),
        (("--best-checkpoint-metric", "cor"), "--best-checkpoint-metric is 'cor'"),
        (("--store-ema", "--ema-seed-model", "setup.py"), "setup.py cannot be read as tensors"),
    ],
)
def test_what_cannot_work_says_why(
    corpus: Path, tmp_path: Path, flags: tuple[str, ...], told: str
) -> None:
    refused = train(corpus, tmp_path, *FLAGS, *flags, check=False)
    (sentence,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert refused.returncode == 1 and told in sentence
    assert "Traceback" not in refused.stderr


def test_one_file_of_several_splits_is_refused_first(
    corpus: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    flags = ("--valid-subset", "valid,test", "--results-json", out)
    refused = validate(corpus, checkpoint, *flags, check=False)
    assert refused.returncode == 1 and "evaluate one at a time" in refused.stderr
    assert "valid on 'valid' subset" not in refused.stdout and not out.exists()


def test_a_users_own_fusion_asks_for_its_folder(corpus: Path, tmp_path: Path) -> None:
    custom = ("--user-dir", "examples/custom", "--task", "multimodal_affect")
    flags = ("--arch", "gated_sum", "--criterion", "mae_krl", "--max-epoch", "1", "--lr", "1e-3")
    run_cli("fairseq-train", corpus, *custom, *flags, "--save-dir", tmp_path)
    refused = validate(corpus, tmp_path / "checkpoint_best.pt", check=False)
    assert refused.returncode == 1 and "its model is 'gated_sum', which nothing" in refused.stderr
    assert "--user-dir" in refused.stderr and "Traceback" not in refused.stderr


def test_r_drop_beside_a_teacher(tmp_path: Path) -> None:
    """Two passes cost another model than one; in silence they were one."""
    data = make_store(tmp_path / "DATA", {"text": 4}, label=EMOTIONS)
    train(data, tmp_path / "large", *FLAGS, "--criterion", "ce_krl")
    teacher = tmp_path / "teacher.tsv"
    checkpoint = tmp_path / "large" / "checkpoint_best.pt"
    validate(data, checkpoint, "--valid-subset", "train", "--predictions", teacher)
    taught = (*FLAGS, "--criterion", "ce_distilled", "--teacher", teacher)
    weights = {}
    for name, more in {"once": (), "twice": ("--r-drop", "5")}.items():
        train(data, tmp_path / name, *taught, *more)
        state = torch.load(tmp_path / name / "checkpoint_last.pt", weights_only=True)
        weights[name] = state["model"]["head.weight"]
    assert not torch.equal(weights["once"], weights["twice"])
