"""--bf16-if-faster: by what the processor can do, and as a training began."""

import re
from pathlib import Path

import pytest
import torch
from harness import train
from omegaconf import OmegaConf

from mia_fairseq.errors import InputError
from mia_fairseq.tasks import precision
from mia_fairseq.tasks.precision import Precision, bf16_features, checkpoint_of, choose

FLAGS = ("--arch", "unimodal", "--lr", "1e-4")
CHOSEN = "--bf16-if-faster"


def settings(folder: Path, **common: bool) -> object:
    flags = {"bf16": False, "fp16": False, "amp": False, "cpu": True, **common}
    kept = {
        "save_dir": str(folder),
        "restore_file": "checkpoint_last.pt",
        "reset_optimizer": False,
        "continue_once": None,
    }
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
    (tmp_path / "once.pt").touch()
    given.continue_once = str(tmp_path / "once.pt")
    assert checkpoint_of(given) == tmp_path / "once.pt"
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
    assert line.endswith("bfloat16") or ", since the processor has " in line
    assert "takes this processor" not in line  # no encoder learns along
    given = ("--bf16",) if found else ()
    train(corpus, tmp_path / "given", *FLAGS, *given, "--cpu", "--max-epoch", "1")
    one, other = state(tmp_path / "chosen"), state(tmp_path / "given")
    assert one["cfg"]["common"]["bf16"] is bool(found)
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])


def test_what_a_layer_takes_is_told_of_encoders(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Precision(False, "it is so").tell(24)
        Precision(True, "it is so", gpu=True).tell(24)
    told, short = caplog.messages
    assert re.search(r"takes this processor [\d.e+-]+ ms in bfloat16 and [\d.e+-]+ ms in", told)
    assert short == f"{CHOSEN}: bfloat16, since it is so"


@pytest.mark.parametrize("flag", ["fp16", "amp"])
def test_a_training_of_other_16_bits_is_refused(
    flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoint_last.pt").touch()
    monkeypatch.setattr(precision, "read_state", lambda _: {"cfg": {"common": {flag: True}}})
    with pytest.raises(InputError, match=f"was trained with --{flag}"):
        choose(settings(tmp_path))


@pytest.mark.parametrize("others", [[True, True], [True, False]])
def test_all_machines_decide_together(
    others: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "bf16_features", lambda: ["avx512_bf16"])
    monkeypatch.setattr(precision.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(precision.distributed, "get_world_size", lambda: 2)
    gather = lambda told, _: told.__setitem__(slice(None), others)  # noqa: E731
    monkeypatch.setattr(precision.distributed, "all_gather_object", gather)
    chosen = choose(settings(tmp_path))
    assert chosen.half is all(others)
    assert ("another machine" in chosen.reason) is not all(others)


def test_two_precisions_are_refused(corpus: Path, tmp_path: Path) -> None:
    refused = train(corpus, tmp_path, *FLAGS, CHOSEN, "--bf16", check=False)
    assert refused.returncode == 1 and "--bf16 gives it; leave one out" in refused.stderr
    assert "Traceback" not in refused.stderr
