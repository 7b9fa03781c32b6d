"""What importing the plugin does, and what other packages and folders can add to it."""

import json
from pathlib import Path

import pytest
from harness import ROOT, run_cli, train, validate


def test_an_installed_package_adds_a_model_by_entry_point(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "their_models.py").write_text(
        "from fairseq.models import register_model\n"
        "from mia_fairseq.models.affect_model import AffectModelConfig\n"
        "from mia_fairseq.models.unimodal import Unimodal\n"
        "@register_model('theirs', dataclass=AffectModelConfig)\n"
        "class Theirs(Unimodal):\n"
        "    pass\n"
    )
    info = tmp_path / "their_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mia_fairseq.plugins]\ntheirs = their_models\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mia_fairseq.models;"
        "from fairseq.models import MODEL_REGISTRY; print('theirs' in MODEL_REGISTRY)"
    )
    assert run_cli("python", "-c", code).stdout.strip().endswith("True")


def test_a_users_folder_brings_a_fusion_and_a_criterion(corpus: Path, tmp_path: Path) -> None:
    custom = ("--user-dir", "examples/custom", "--task", "multimodal_affect")
    flags = ("--arch", "gated_sum", "--criterion", "huber_krl", "--huber-delta", "0.5")
    log = run_cli(
        *("fairseq-train", corpus, *custom, *flags, "--lr", "1e-3", "--max-epoch", "1"),
        *("--no-progress-bar", "--save-dir", tmp_path),
    ).stdout
    assert "huber_loss" in log and "GatedSum" in log
    out = tmp_path / "out.json"
    run_cli(
        *("fairseq-validate", corpus, *custom, "--valid-subset", "test"),
        *("--path", tmp_path / "checkpoint_best.pt", "--results-json", out),
    )
    assert json.loads(out.read_text())["n"] == 23
    predict = ("python", "-m", "mia_fairseq.predict", tmp_path / "checkpoint_best.pt", corpus)
    printed = run_cli(*predict, "--user-dir", "examples/custom", "--json").stdout
    assert len(json.loads(printed)) == 23


def test_hydra_trains_from_a_configuration_file(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "# @package _group_\n"
        f"common: {{user_dir: {ROOT / 'mia_fairseq'}, no_progress_bar: true}}\n"
        f"task: {{_name: multimodal_affect, data: {corpus}}}\n"
        "model: {_name: mia_net, channels: 2}\n"
        "criterion: {_name: mae_krl}\n"
        "optimizer: {_name: adam}\nlr_scheduler: {_name: fixed}\n"
        "dataset: {batch_size: 18, num_workers: 0}\n"
        "optimization: {lr: [0.001], max_epoch: 1}\n"
        f"checkpoint: {{save_dir: {tmp_path / 'save'}}}\n"
        f"hydra: {{run: {{dir: {tmp_path / 'hydra'}}}}}\n"
    )
    run_cli("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "run")
    assert (tmp_path / "save" / "checkpoint_last.pt").is_file()


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_a_checkpoint_that_cannot_be_read_is_named(
    corpus: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "broken.pt"
    if content is not None:
        path.write_bytes(content)
    result = validate(corpus, path, check=False)
    assert result.returncode == 1 and "broken.pt" in result.stderr


def test_a_truncated_checkpoint_stops_training_with_a_sentence(
    corpus: Path, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint_last.pt").write_bytes(checkpoint.read_bytes()[:2000])
    result = train(corpus, tmp_path, check=False)
    assert result.returncode == 1 and "cannot be read as tensors and settings only" in result.stderr
    assert "Traceback" not in result.stderr
