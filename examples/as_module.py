"""Starts a script of this folder as a module, so that ``python examples/run.py`` works anywhere."""

import os
import sys
from pathlib import Path
from typing import NoReturn


def restart(script: str) -> NoReturn:
    """Replaces this process by ``python -m examples.NAME`` with the same arguments."""
    path = Path(script).resolve()
    folders = [str(path.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    command = [sys.executable, "-m", f"examples.{path.stem}", *sys.argv[1:]]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)
