"""Every checkpoint that cannot be used is named; the reason is the last word."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fairseq import checkpoint_utils

from mia_fairseq.errors import InputError
from mia_fairseq.plugin import register

register()

RESETS = dict.fromkeys(
    ("reset_optimizer", "reset_lr_scheduler", "reset_meters", "reset_dataloader"), False
)


def options(**given: object) -> SimpleNamespace:
    """fairseq-train's options on checkpoints: their defaults, and those given."""
    defaults = {"finetune_from_model": None, "restore_file": "checkpoint_last.pt"}
    return SimpleNamespace(**{**RESETS, "optimizer_overrides": "{}", **defaults, **given})


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint", {"a": 1}, [1]])
def test_the_file_is_named(tmp_path: Path, content: object) -> None:
    path = tmp_path / "broken.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"broken\.pt"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))


def test_what_the_user_was_told_is_not_hidden_by_fairseqs_trainer(monkeypatch) -> None:
    """fairseq's trainer catches all and raises a sentence on architectures."""

    class Trainer(SimpleNamespace):
        def load_checkpoint(self, *_: object, **__: object) -> None:
            try:
                raise InputError("--channels is 2, the checkpoint has 1")
            except Exception:
                raise Exception("Cannot load model parameters from checkpoint") from None

    cfg = options(save_dir="/nowhere")
    trainer = Trainer(checkpoint_suffix="", data_parallel_rank=0)
    with pytest.raises(InputError, match="--channels is 2"):
        checkpoint_utils.load_checkpoint(cfg, trainer)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"restore_file": "gone.pt"}, r"gone\.pt: no such checkpoint; mend --restore-file"),
        ({"restore_file": "."}, r"\.: no such checkpoint"),
        ({"finetune_from_model": "gone.pt"}, "no such checkpoint; mend --finetune-from-model"),
        ({"finetune_from_model": "."}, "no such checkpoint"),
        ({"finetune_from_model": "a.pt", "reset_meters": True}, "and --reset-meters is for going"),
        ({"finetune_from_model": "a.pt", "restore_file": __file__}, "and --restore-file is for"),
    ],
)
def test_training_never_starts_afresh_from_what_is_not_there(
    given: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        checkpoint_utils.load_checkpoint(options(save_dir="/nowhere", **given), None)


def test_the_model_that_training_was_to_start_from_is_named(tmp_path: Path) -> None:
    class Trainer(SimpleNamespace):
        def load_checkpoint(self, *_: object, **__: object) -> None:
            try:
                raise RuntimeError("size mismatch")
            except RuntimeError:
                raise Exception("Cannot load model parameters from checkpoint")  # noqa: B904

    (tmp_path / "other.pt").touch()
    cfg = options(save_dir=str(tmp_path), finetune_from_model=str(tmp_path / "other.pt"))
    with pytest.raises(InputError, match=r"other\.pt: its model is another .*size mismatch"):
        checkpoint_utils.load_checkpoint(cfg, Trainer(checkpoint_suffix=""))
