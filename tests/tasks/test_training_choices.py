"""What training takes from where: seeds, statistics, class weights, the paper's settings."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq import options

from mia_fairseq.criterions.ce_krl import CeKrlCriterion
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.experiments.running.training_run import Run, train_command
from mia_fairseq.models.affect_model import AffectOutput
from mia_fairseq.plugin import register

register()


def settings_of(words: list[str], monkeypatch: pytest.MonkeyPatch):
    """What fairseq-train makes of a command line."""
    monkeypatch.setattr(sys, "argv", words)
    return options.parse_args_and_arch(options.get_training_parser())


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_the_runner_trains_with_the_runs_own_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    flags = ("--arch", "unimodal", "--criterion", "mae_krl")
    words = train_command(Run("a row", tmp_path, flags, seed, tmp_path))
    assert settings_of(words, monkeypatch).seed == seed


def test_the_papers_numbers_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sec. 4.3: a learning rate of 1.7e-5, batches of 18, 50 epochs, Adam, gamma of 0.3."""
    words = ["fairseq-train", "DATA", "--user-dir", "mia_fairseq", "--task", "multimodal_affect"]
    args = settings_of([*words, "--arch", "mia_net", "--criterion", "mae_krl"], monkeypatch)
    found = (args.lr, args.max_epoch, args.patience, args.batch_size, args.optimizer, args.gamma)
    assert found == ([1.7e-5], 50, 6, 18, "adam", 0.3)


def test_features_are_normalised_by_the_training_split(corpus: Path, checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["model"]
    for name in ("text", "audio", "video"):
        rows = {
            split: np.load(corpus / f"{split}.{name}.npy").astype(np.float64)
            for split in ("train", "valid", "test")
        }
        mean, scale = (state[f"encoders.{name}.{part}"].numpy() for part in ("mean", "scale"))
        assert mean == pytest.approx(rows["train"].mean(axis=0), abs=1e-5)
        assert scale == pytest.approx(rows["train"].std(axis=0), rel=1e-4)
        for other in ("valid", "test"):
            assert np.abs(mean - rows[other].mean(axis=0)).max() > 1e-3


class Task:
    """Three classes with 6, 3 and 1 training rows."""

    class schema:  # noqa: N801
        label = LabelSpec("classes", names=("a", "b", "c"))
        corpus = "test"
        class_counts = (6, 3, 1)


@pytest.mark.parametrize(
    ("choice", "weights"),
    [
        ("none", (1.0, 1.0, 1.0)),
        ("1,2,5", (1.0, 2.0, 5.0)),
        ("balanced", (10 / 18, 10 / 9, 10 / 3)),
        ("root", tuple(w / math.sqrt(w) for w in (10 / 18, 10 / 9, 10 / 3))),
    ],
)
def test_each_row_weighs_as_its_class_in_the_loss(choice: str, weights: tuple[float, ...]) -> None:
    """The loss is the sum of -w log p; the weights have mean 1 over the ten training rows."""
    mean = sum(w * n for w, n in zip(weights, Task.schema.class_counts, strict=True)) / 10
    logits, target = torch.tensor([[1.0, 0.0, -1.0]]).repeat(4, 1), torch.tensor([0, 1, 2, 2])
    rows = {"net_input": {}, "target": target, "nsentences": 4, "ntokens": 4}
    _, _, logged = CeKrlCriterion(Task(), 0.0, choice)(lambda: AffectOutput(logits), rows)
    shares = [math.exp(x) / sum(math.exp(y) for y in (1, 0, -1)) for x in (1, 0, -1)]
    expected = -sum(weights[k] * math.log(shares[k]) for k in (0, 1, 2, 2)) / mean
    assert logged["ce_loss"].item() == pytest.approx(expected, rel=1e-5)
