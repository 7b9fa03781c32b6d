"""Commands whose output goes into a log, and the lock of a folder in which they work."""

import contextlib
import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mia_fairseq.experiments.running.identity import ROOT
from mia_fairseq.files import not_through_a_link


class RunError(SystemExit):
    """A command of a run failed; uncaught, it ends the program with the end of the log."""


def call(command: Sequence[str], log: Path, *, capture: bool = False) -> str:
    """Runs a command of this environment, its output into a log as it comes.

    Args:
        command: and its arguments.
        log: added to.
        capture: give what it prints to standard output back; the log gets it in the end.

    Returns:
        What was captured.

    Raises:
        RunError: it failed.
    """
    tool, *arguments = command
    binary = Path(sys.executable).with_name(tool)
    start = [sys.executable] if tool == "python" else [str(binary)]
    environment = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **os.environ}
    with open(log, "a", opener=not_through_a_link) as file:
        result = subprocess.run(
            [*start, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE if capture else file,
            stderr=file,
            text=True,
        )
        file.write(result.stdout or "")
    if result.returncode != 0:
        raise failed(shlex.join(command), log, result.returncode)
    return result.stdout or ""


def failed(command: str, log: Path, status: int) -> RunError:
    """What to raise for a command that gave this status: the end of its log."""
    how = f"was killed by signal {-status}" if status < 0 else "failed"
    end = "\n".join(log.read_text().splitlines()[-5:])
    return RunError(f"{command}\n{how}; the end of {log}:\n{end}")


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[int | None]:
    """Holds the lock beside a run's folder; yields its descriptor, or None where it is taken."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f"{folder.name}.lock")
    with open(lock, "a", opener=not_through_a_link) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield file.fileno()
