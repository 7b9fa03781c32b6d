"""A page that is served to a browser, as a command of its own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harness import ROOT

PATIENCE = 100  # seconds, for a machine that is busy


@contextlib.contextmanager
def page_of(folder: Path, *arguments: str | Path) -> Iterator[str]:
    """The address of a page that is served; its clips must be gone when it ends.

    Args:
        folder: for its log and its clips.
        arguments: of mia_fairseq.serve.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mia_fairseq.serve", "--port", str(port), *arguments]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(PATIENCE):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=60)
    assert not list(folder.glob("mia_fairseq-page-*")), "clips outlive the command"
