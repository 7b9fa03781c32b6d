"""--bf16 trains on a CPU, whatever name fairseq's training loop was started under."""

from pathlib import Path

import pytest
import torch
from harness import run_cli


def test_as_a_module_too_bf16_trains_and_patience_is_kept(corpus: Path, tmp_path: Path) -> None:
    """``python -m`` calls the loop's module ``__main__``; no patch may look for it by name."""
    command = [
        *("python", "-m", "fairseq_cli.train", corpus, "--user-dir", "mia_fairseq"),
        *("--task", "multimodal_affect", "--arch", "unimodal", "--criterion", "mae_krl"),
        *("--bf16", "--lr", "1e-30", "--stop-min-lr", "-1", "--patience", "1"),
        *("--max-epoch", "9", "--save-dir", tmp_path),
    ]
    run_cli(*command)
    state = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    assert state["cfg"]["common"]["bf16"] and not state["cfg"]["common"]["tpu"]
    assert state["extra_state"]["early_stopping"]["num_runs"] == 1
    assert "training has stopped early already" in run_cli(*command).stdout


@pytest.mark.parametrize("tpu", [True, False])
def test_a_tpu_that_is_there_is_used(monkeypatch, tpu: bool) -> None:
    from argparse import Namespace

    from fairseq import utils
    from fairseq.dataclass import utils as dataclass_utils

    from mia_fairseq.plugin import register

    register()
    monkeypatch.setattr(utils, "xm", object() if tpu else None)
    args = Namespace(bf16=True, tpu=True)
    dataclass_utils.override_module_args(args)
    assert args.tpu is tpu
