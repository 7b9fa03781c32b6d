"""Every checkpoint that cannot be used is named; the reason is the last word."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fairseq import checkpoint_utils

from mia_fairseq.errors import InputError
from mia_fairseq.plugin import register

register()


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

    cfg = SimpleNamespace(
        reset_optimizer=False,
        reset_lr_scheduler=False,
        reset_meters=False,
        reset_dataloader=False,
        finetune_from_model=None,
        restore_file="/nowhere/checkpoint.pt",
        optimizer_overrides="{}",
    )
    trainer = Trainer(checkpoint_suffix="", data_parallel_rank=0)
    with pytest.raises(InputError, match="--channels is 2"):
        checkpoint_utils.load_checkpoint(cfg, trainer)
