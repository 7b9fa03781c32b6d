"""fairseq's commands in processes that start warm: forked from one that has imported it already.

Importing torch, fairseq and the plugin takes as long as a small run trains, and a table has
hundreds of runs. Python's fork server imports them once; a command is then a fork of it, with
memory, output and fate of its own.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

COMMANDS = {  # what is forked -> the module whose function it is
    "fairseq-train": "fairseq_cli.train",
    "fairseq-validate": "fairseq_cli.validate",
}

# torch's optimizers import _dynamo when the first one is built, a second's work.
IMPORTED = (*COMMANDS.values(), "mia_fairseq", "torch._dynamo", __name__)

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(IMPORTED))
_starting = threading.Lock()


def run_forked(
    commands: Sequence[Sequence[str]],
    log: Path,
    folder: Path,
    lock: int | None = None,
    *,
    timeout: float | None = None,
) -> int:
    """Runs commands one after another in one process, up to the first that fails.

    That process ends with this one, however this one ends.

    Args:
        commands: each a list of words that begins with a name of `COMMANDS`.
        log: gets their output, as it comes.
        folder: they run in.
        lock: a descriptor that the process keeps open until it ends.
        timeout: seconds after which the process is killed; None: never.

    Returns:
        Its exit status: 0 when all went well, less than 0 by the signal that killed it.

    Raises:
        TimeoutError: the process was killed for its time.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    log.touch()
    with _starting:  # starting one process asks all others whether they have ended
        kept = None if lock is None else DupFd(lock)
        process = _server.Process(target=_run, args=(commands, log, folder, kept))
        process.start()
    in_time = wait([process.sentinel], timeout)
    if not in_time:
        process.kill()
    with _starting:
        process.join()
    if not in_time:
        raise TimeoutError(f"{commands} took more than {timeout} s")
    return process.exitcode or 0


def _run(commands: Sequence[Sequence[str]], log: Path, folder: Path, kept: Any) -> None:
    """What the forked process does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if kept is not None:
        kept.detach()  # open until this process ends
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.chdir(folder)
    try:
        for command in commands:
            sys.argv = list(command)  # fairseq's command line reads its words from there
            importlib.import_module(COMMANDS[command[0]]).cli_main()
    except Exception:
        sys.excepthook(*sys.exc_info())  # the plugin's, which tells bad input in a sentence
        raise SystemExit(1) from None


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)  # as sudden as the parent's end may have been
