"""--bf16-if-faster: by what the processor can do, and as a training began."""

import re
from pathlib import Path

import pytest
import torch
from harness import train
from omegaconf import OmegaConf

from mia_fairseq.tasks import precision
from mia_fairseq.tasks.precision import bf16_features, checkpoint_of, choose

FLAGS = ("--arch", "unimodal", "--lr", "1e-4")
CHOSEN = "--bf16-if-faster"


def settings(folder: Path, **common: bool) -> object:
    flags = {"bf16": False, "fp16": False, "amp": False, "cpu": True, **common}
    kept = {"save_dir": str(folder), "restore_file": "checkpoint_last.pt", "reset_optimizer": False}
    return OmegaConf.create({"common": flags, "checkpoint": kept})


def state(folder: Path) -> dict:
    return torch.load(folder / "checkpoint_last.pt", weights_only=True)


@pytest.mark.parametrize("found", [["amx_bf16", "avx512_bf16"], []])
def test_the_processor_decides(
    found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "bf16_features", lambda: found)
    given = settings(tmp_path)
    chosen = choose(given)
    assert given.common.bf16 is chosen.half is bool(found)
    assert all(name in chosen.reason for name in found or ["no instructions"])


def test_instructions_are_told_as_torch_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"avx2": True, "amx_bf16": False, "avx512_bf16": True, "cpu_name": "bf16"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert bf16_features() == ["avx512_bf16"]


def test_where_a_training_starts_anew(tmp_path: Path) -> None:
    given = settings(tmp_path).checkpoint
    assert checkpoint_of(given) is None
    (tmp_path / "checkpoint_last.pt").touch()
    assert checkpoint_of(given) == tmp_path / "checkpoint_last.pt"
    given.restore_file = str(tmp_path / "other.pt")
    assert checkpoint_of(given) is None
    (tmp_path / "other.pt").touch()
    assert checkpoint_of(given) == tmp_path / "other.pt"
    given.reset_optimizer = True
    assert checkpoint_of(given) is None


@pytest.mark.parametrize("before", [("--bf16",), ()])
def test_a_training_goes_on_as_it_began_and_ends_the_same(
    before: tuple[str, ...], corpus: Path, tmp_path: Path
) -> None:
    train(corpus, tmp_path / "whole", *FLAGS, *before, "--max-epoch", "2")
    train(corpus, tmp_path / "parts", *FLAGS, *before, "--max-epoch", "1")
    told = train(corpus, tmp_path / "parts", *FLAGS, CHOSEN, "--max-epoch", "2").stdout
    assert "Loaded checkpoint" in told and "checkpoint_last.pt was trained so" in told
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert whole["cfg"]["common"]["bf16"] is parts["cfg"]["common"]["bf16"] is bool(before)
    assert all(torch.equal(whole["model"][name], parts["model"][name]) for name in whole["model"])


def test_a_new_training_is_that_of_the_flag_it_stands_for(corpus: Path, tmp_path: Path) -> None:
    found = bf16_features()
    told = train(corpus, tmp_path / "chosen", *FLAGS, CHOSEN, "--cpu", "--max-epoch", "1").stdout
    (line,) = [line for line in told.splitlines() if f"{CHOSEN}: " in line]
    assert re.search(r"takes this processor [\d.e+-]+ ms in bfloat16 and [\d.e+-]+ ms in", line)
    given = ("--bf16",) if found else ()
    train(corpus, tmp_path / "given", *FLAGS, *given, "--cpu", "--max-epoch", "1")
    one, other = state(tmp_path / "chosen"), state(tmp_path / "given")
    assert one["cfg"]["common"]["bf16"] is bool(found)
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])


def test_two_precisions_are_refused(corpus: Path, tmp_path: Path) -> None:
    refused = train(corpus, tmp_path, *FLAGS, CHOSEN, "--bf16", check=False)
    assert refused.returncode == 1 and "--bf16 gives it; leave one out" in refused.stderr
    assert "Traceback" not in refused.stderr
