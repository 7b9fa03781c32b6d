"""Which epoch is kept: by each metric's direction, and whatever a validation's figure is."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.dataclass.configs import CheckpointConfig
from harness import make_store, train
from omegaconf import OmegaConf

from mia_fairseq.criterions.joint_loss import JointLossCriterion
from mia_fairseq.criterions.mae_krl import MaeKrlCriterion
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.errors import InputError
from mia_fairseq.plugin import register
from mia_fairseq.tasks.choosing_epochs import is_larger_better

register()

CRITERION = MaeKrlCriterion.__new__(MaeKrlCriterion)
LABELS = {
    "regression": LabelSpec("regression"),
    "classes": LabelSpec("classes", names=("joy", "anger")),
    "multilabel": LabelSpec("multilabel", names=("joy", "anger")),
}


@pytest.mark.parametrize(
    ("metric", "kind", "larger"),
    [
        *((name, "regression", False) for name in ("loss", "mae_loss", "krl", "mae")),
        *((name, "regression", True) for name in ("corr", "acc7", "acc5", "acc2_has0")),
        *((name, "classes", True) for name in ("accuracy", "weighted_f1", "macro_f1", "uar")),
        *((name, "multilabel", True) for name in ("weighted_accuracy", "macro_f1")),
    ],
)
def test_each_metric_has_its_direction(metric: str, kind: str, larger: bool) -> None:
    assert is_larger_better(metric, LABELS[kind], CRITERION, asked=False) is larger
    if not larger:
        with pytest.raises(InputError, match="smaller is better"):
            is_larger_better(metric, LABELS[kind], CRITERION, asked=True)


@pytest.mark.parametrize("metric", ["cor", "n", "accuracy", "wps", ""])
def test_an_unknown_metric_is_refused(metric: str) -> None:
    with pytest.raises(InputError, match=r"--best-checkpoint-metric is .* expected one of loss"):
        is_larger_better(metric, LABELS["regression"], CRITERION, asked=False)


def test_a_figure_of_sentiment_is_refused_on_another_scale() -> None:
    label = LabelSpec("regression", 1, 7)
    with pytest.raises(InputError, match="is 'acc7', expected one of loss, corr, mae"):
        is_larger_better("acc7", label, CRITERION, asked=False)
    assert is_larger_better("corr", label, CRITERION, asked=False) is True


def test_of_a_users_own_figure_the_user_knows_the_direction() -> None:
    class Own(MaeKrlCriterion):
        @classmethod
        def reduce_metrics(cls, logging_outputs: Any) -> None:
            JointLossCriterion.reduce_metrics(logging_outputs)

    own = Own.__new__(Own)
    assert is_larger_better("ccc", LABELS["regression"], own, asked=True) is True
    assert is_larger_better("ccc", LABELS["regression"], own, asked=False) is False


def best_epoch(folder: Path, figures: list[float], *, maximize: bool) -> str:
    """Which of some validations' checkpoints fairseq keeps as the best."""

    def save(path: str, extra: dict[str, Any]) -> str:
        Path(path).write_text(str(epoch))
        return path

    trainer = SimpleNamespace(
        data_parallel_rank=0,
        consolidate_optimizer=lambda: None,
        should_save_checkpoint_on_current_rank=True,
        get_num_updates=lambda: epoch,
        checkpoint_suffix="",
        task=None,
        save_checkpoint=save,
    )
    cfg = OmegaConf.structured(CheckpointConfig(save_dir=str(folder), no_epoch_checkpoints=True))
    cfg.maximize_best_checkpoint_metric = maximize
    vars(checkpoint_utils.save_checkpoint).pop("best", None)
    for epoch, figure in enumerate(figures, start=1):
        loop = SimpleNamespace(epoch=epoch, end_of_epoch=lambda: True, state_dict=lambda: {})
        checkpoint_utils.save_checkpoint(cfg, trainer, loop, figure)
    vars(checkpoint_utils.save_checkpoint).pop("best", None)
    return (folder / "checkpoint_best.pt").read_text()


@pytest.mark.parametrize(
    ("figures", "smallest", "largest"),
    [
        ([math.nan, 0.1, math.nan, 0.3, 0.2], "2", "4"),
        ([math.nan, math.nan], "1", "1"),
        ([0.2, math.inf, -math.inf, 0.3], "1", "4"),
        ([0.3, 0.1, 0.2], "2", "1"),
    ],
)
def test_nan_is_no_improvement_and_a_best_always_exists(
    tmp_path: Path, figures: list[float], smallest: str, largest: str
) -> None:
    assert best_epoch(tmp_path, figures, maximize=False) == smallest
    assert best_epoch(tmp_path, figures, maximize=True) == largest


def test_training_keeps_the_epoch_of_the_largest_correlation(corpus: Path, tmp_path: Path) -> None:
    flags = ("--best-checkpoint-metric", "corr", "--max-epoch", "4", "--lr", "3e-3")
    log = train(corpus, tmp_path, *flags).stdout
    lines = [line for line in log.splitlines() if "valid on 'valid' subset" in line]
    figures = [float(line.split("| corr ")[1].split(" ")[0]) for line in lines]
    state = torch.load(tmp_path / "checkpoint_best.pt", weights_only=True)
    kept = state["extra_state"]["train_iterator"]["epoch"] - 1
    assert len(figures) == 4 and figures[kept - 1] == max(figures) > min(figures)


def test_validations_of_nan_are_told_and_end_training(tmp_path: Path) -> None:
    """Of one row there is no correlation."""
    data = make_store(tmp_path / "DATA", {"text": 3}, rows={"train": 9, "valid": 1, "test": 2})
    flags = ("--arch", "unimodal", "--best-checkpoint-metric", "corr", "--patience", "3")
    log = train(data, tmp_path / "save", *flags, "--max-epoch", "20").stdout
    assert log.count("validation's corr is nan: it counts as no improvement") == 3
    assert "early stop" in log and (tmp_path / "save" / "checkpoint_best.pt").is_file()
