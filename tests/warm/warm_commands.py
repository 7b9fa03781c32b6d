"""Python commands that start warm: as forks of a process that has imported the libraries already.

Importing torch and fairseq takes longer than most of what the tests have commands do. A command
is still a process of its own, with words, folder, environment and output of its own, and imports
all of this project by itself. `warm_server.py` says how.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

SERVER = Path(__file__).with_name("warm_server.py")
BIN = Path(sys.executable).parent
LARGE = (
    *("numpy", "torch", "torch._dynamo", "scipy.stats", "scipy.sparse.linalg", "h5py", "yaml"),
    *("transformers.models.bert.modeling_bert", "transformers.models.bert.tokenization_bert"),
    *("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto"),
    *("safetensors.torch", "tokenizers", "accelerate", "av", "cv2", "soundfile"),
    *("faster_whisper", "matplotlib.pyplot", "matplotlib.backends.backend_agg", "tqdm"),
)
WITH_FAIRSEQ = ("fairseq", "fairseq.tasks", "fairseq.trainer", "torch.utils.tensorboard")
FAIRSEQ = ("fairseq-train", "fairseq-validate", "fairseq-hydra-train")
OF_FAIRSEQ = (  # modules whose commands import it
    *("mia_fairseq.average", "mia_fairseq.complexity", "mia_fairseq.experiments"),
    *("mia_fairseq.export", "examples.benchmarks", "examples.demo"),
)


_addresses: dict[str, str] = {}  # of the servers that run; commands that they start are told
_links: list[socket.socket] = []  # to servers that are commands


def run(
    words: Sequence[str | Path],
    *,
    cwd: Path | str,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[str] | None = None,
    stderr: int | IO[str] | None = None,
    capture_output: bool = False,
    timeout: float = 600,
    most_bytes: int | None = None,
    with_fairseq: bool | None = None,
    **_: Any,
) -> "subprocess.CompletedProcess[str]":
    """Runs a command of this environment's Python, like `subprocess.run` with ``text=True``.

    Args:
        words: ``python``, or its path, and what follows; or a script beside Python.
        cwd: its folder.
        env: its environment; this process's own otherwise.
        stdout: an open file; to be given back otherwise.
        stderr: the same; also ``subprocess.STDOUT``.
        capture_output: gives both back, as is done anyway.
        timeout: seconds after which it is killed.
        most_bytes: that a file it writes may have.
        with_fairseq: it finds fairseq imported; None: if it is one that would import it.

    Raises:
        TimeoutError: it was killed for its time.
    """
    tool, *rest = map(str, words)
    given = rest if Path(tool).name.startswith("python") else [str(BIN / Path(tool).name), *rest]
    if with_fairseq is None:
        with_fairseq = _imports_fairseq(given, Path(cwd))
    address = _address(WITH_FAIRSEQ if with_fairseq else ())
    asked = {
        **{"words": given, "folder": str(cwd), "most_bytes": most_bytes, "servers": _addresses},
        **{"environment": dict(os.environ if env is None else env)},
    }
    printed, told = _Pipe(), _Pipe()
    try:
        first = printed if stdout is None or isinstance(stdout, int) else stdout
        second = told if stderr is None or isinstance(stderr, int) else stderr
        files = [first, first if stderr == subprocess.STDOUT else second]
        status = _ask(address, asked, [file.fileno() for file in files], timeout)
    finally:
        texts = [pipe.text() for pipe in (printed, told)]
    return subprocess.CompletedProcess(list(words), status, *texts)


class _Pipe:
    """Keeps what is written into it; a file would not do where files are limited."""

    def __init__(self) -> None:
        self.end, self.start = os.pipe()
        self.read = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        with os.fdopen(self.end, "rb") as end:
            self.read = end.read()

    def fileno(self) -> int:
        return self.start

    def text(self) -> str:
        """What was written by all that have now closed it."""
        os.close(self.start)
        self.reader.join()
        return self.read.decode(errors="replace")


def warm(usual: Callable[..., Any]) -> Callable[..., Any]:
    """`subprocess.run` that starts modules and fairseq's commands of this environment warm."""

    def start(words: Sequence[str | Path], *others: Any, **how: Any) -> Any:
        module = words[0] in ("python", sys.executable) and words[1] == "-m"
        if (module or words[0] in FAIRSEQ) and "cwd" in how and "text" in how:
            return run(words, **how)
        return usual(words, *others, **how)

    return start


def addresses() -> dict[str, str]:
    """Of all servers, started if need be."""
    _address(WITH_FAIRSEQ)
    return dict(_addresses)


def start_warm_too(addresses: Mapping[str, str]) -> None:
    """Has what this process starts go through servers that run."""
    _addresses.update(addresses)
    subprocess.run = warm(subprocess.run)


def _imports_fairseq(words: Sequence[str], folder: Path) -> bool:
    """Whether a command imports fairseq; one that does not is not to find it imported."""
    if words[:2] == ["-m", "mia_fairseq.predict"]:
        of_data = any((folder / word / "meta.json").is_file() for word in words[2:])
        return of_data or "--user-dir" in words
    named = words[1] if words[0] == "-m" else Path(words[0]).name
    return named.startswith(("fairseq-", *OF_FAIRSEQ))


def _ask(address: str, asked: Mapping[str, Any], files: list[int], timeout: float) -> int:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [b"."], files)
        server.settimeout(timeout)
        with server.makefile("rw") as talk:
            talk.write(json.dumps(asked) + "\n")
            talk.flush()
            process = int(talk.readline())
            try:
                return int(talk.readline())
            except TimeoutError:
                os.kill(process, 9)
                raise TimeoutError(f"{asked['words']} took more than {timeout} s") from None


def _address(more: Sequence[str]) -> str:
    """Of the server that imports these modules beyond the large ones, started when it is first
    asked for; it is a command of the one that imports the large ones only."""
    kind = " ".join(more)
    if kind in _addresses:
        return _addresses[kind]
    folder = tempfile.mkdtemp(prefix="warm-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = str(Path(folder) / "server")
    words = [str(SERVER), address, str(os.getpid())]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment = {"OMP_NUM_THREADS": "1", **environment}
    if more:
        asked = {"words": [*words, *more], "folder": "/", "most_bytes": None, "servers": {}}
        link = socket.socket(socket.AF_UNIX)
        link.connect(_address(()))
        socket.send_fds(link, [b"."], [2, 2])
        link.sendall((json.dumps({**asked, "environment": environment}) + "\n").encode())
        _links.append(link)
    else:
        first = subprocess.Popen([sys.executable, *words, *LARGE], env=environment)
    while not Path(address).exists():
        assert more or first.poll() is None, "the warm server has ended; see above"
        time.sleep(0.02)
    _addresses[kind] = address
    return address
