"""How commands start and end: logs, mistakes, Ctrl-C, and the names that pip installs."""

import logging
import sys
from importlib import import_module

import pytest
from harness import ROOT

from mia_fairseq import command
from mia_fairseq.errors import InputError


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)


def test_ctrl_c_ends_with_one_line_and_the_shells_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        command.run(interrupted)
    assert ended.value.code == 130 and capsys.readouterr().err == "interrupted\n"


def test_a_mistake_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    command.run(lambda: None)
    sys.excepthook(InputError, InputError("clip.mp4: no such file"), None)
    assert capsys.readouterr().err == "error: clip.mp4: no such file\n"


@pytest.mark.parametrize("name", ["PIL", "h5py", "matplotlib", "faster_whisper"])
def test_libraries_are_quiet(name: str) -> None:
    command.run(lambda: None)
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger(f"{name}.part").isEnabledFor(logging.WARNING)


def test_every_installed_name_is_a_function_that_is_there() -> None:
    lines = (ROOT / "setup.py").read_text(encoding="utf-8").splitlines()
    found = [line.strip(' ",') for line in lines if " = " in line and ":command" in line]
    assert len(found) == 5
    for line in found:
        name, _, place = line.partition(" = ")
        module, _, function = place.partition(":")
        assert name in getattr(import_module(module), function).__doc__
