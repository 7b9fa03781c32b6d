"""Commands that start warm: what they return, and that they end when they should."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import ROOT, make_store

from mia_fairseq.experiments.running.forked_commands import run_forked
from mia_fairseq.experiments.running.training_run import PLUGIN

LONG = ("--max-epoch", "100000", "--patience", "-1", "--arch", "unimodal", "--criterion", "mae_krl")

STARTER = """
import sys
from pathlib import Path
from mia_fairseq.experiments.running.forked_commands import run_forked
if __name__ == "__main__":
    run_forked([sys.argv[2:]], Path(sys.argv[1]), Path.cwd())
"""


@pytest.fixture
def endless(tmp_path: Path) -> list[str]:
    """A training that does not end by itself."""
    data = make_store(tmp_path / "DATA", {"text": 3})
    return ["fairseq-train", str(data), *PLUGIN, *LONG, "--save-dir", str(tmp_path / "ckpt")]


def begun(log: Path) -> bool:
    return log.is_file() and "begin training epoch 3" in log.read_text()


def test_a_command_that_fails_tells_its_status_and_its_reason(tmp_path: Path) -> None:
    words = ["fairseq-train", "nowhere", *PLUGIN, *LONG, "--save-dir", str(tmp_path)]
    assert run_forked([words], tmp_path / "log", ROOT, timeout=290) == 1
    assert "nowhere: no meta.json here" in (tmp_path / "log").read_text()


def test_a_command_is_killed_for_its_time(endless: list[str], tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match=r"took more than 4 s"):
        run_forked([endless], tmp_path / "log", ROOT, timeout=4)


def test_a_command_ends_with_the_process_that_started_it(
    endless: list[str], tmp_path: Path
) -> None:
    log, script = tmp_path / "log", tmp_path / "starter.py"
    script.write_text(STARTER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    starter = subprocess.Popen([sys.executable, script, log, *endless], cwd=ROOT, env=environment)
    deadline = time.monotonic() + 290
    while not begun(log) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert begun(log)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    written = -1
    while written != (written := log.stat().st_size):  # until nothing is written for a second
        assert time.monotonic() < deadline
        time.sleep(1)
