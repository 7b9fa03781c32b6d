"""Starts Python commands as forks of a process that has imported the large libraries already.

    python tests/warm/warm_server.py ADDRESS OWNER MODULE...

Nothing of this project is imported before a fork, so that a command loads it as it does in any new
process. What a command starts by Python's ``multiprocessing`` is forked in the same way. The server
ends when the process OWNER has ended. `warm_commands.py` talks to it.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import resource
import runpy
import socket
import sys
import threading
from multiprocessing import util
from pathlib import Path
from typing import Any

import numpy as np
import warm_commands

Request = dict[str, Any]

PR_SET_CHILD_SUBREAPER = 36  # of prctl(2): orphans below a process become its own children
FREE = 200  # descriptors from here on are used by nobody


def main() -> None:
    """Imports, serves, and in each fork becomes the command that was asked for."""
    address, owner, *modules = sys.argv[1:]
    sys.path[0] = os.devnull  # tests/examples is not the package that fairseq tries
    import_quietly(modules)
    threads = list(Path("/proc/self/task").iterdir())
    if len(threads) > 1:  # they would be missing in the forks, and their locks stay held
        raise SystemExit(f"importing {modules} has started {len(threads) - 1} threads")
    gc.freeze()
    try:
        start(serve(address, int(owner)))
    except SystemExit as ended:
        end(ended.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        end(1)
    end(0)


def import_quietly(modules: list[str]) -> None:
    """Imports what is installed of modules, and leaves logging as it was.

    A torchaudio of another torch, which transformers would die of, is for the command to deal with.
    """
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    sys.modules["torchaudio"] = None  # type: ignore[assignment]
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    del sys.modules["torchaudio"]
    root.setLevel(level)
    root.handlers[:] = handlers


def serve(address: str, owner: int) -> Request:
    """Answers requests; returns one in each process that is forked for it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen()
    Path(f"{address}.new").rename(address)
    listener.settimeout(2)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if not Path(f"/proc/{owner}").exists():
                raise SystemExit from None
            continue
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            listener.close()
            return follow(connection)
        connection.close()


def follow(connection: socket.socket) -> Request:
    """Forks the command, tells its process id and how it ended; returns in the fork only."""
    connection.setblocking(True)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rw") as talk:
        request: Request = json.loads(talk.readline())
        command = os.fork()
        if command:
            talk.write(f"{command}\n")
            talk.flush()
            status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
            with contextlib.suppress(BrokenPipeError):
                talk.write(f"{status}\n")
                talk.flush()
            os._exit(0)
    connection.close()
    for place, descriptor in enumerate([os.open(os.devnull, os.O_RDONLY), *descriptors]):
        os.dup2(descriptor, place)
        os.close(descriptor)
    return request


def start(request: Request) -> None:
    """Becomes the command: its folder, environment, words and module."""
    here = {"-m": request["folder"], "-c": ""}.get(request["words"][0])
    here = str(Path(request["words"][0]).parent) if here is None else here
    settle(request["folder"], request["environment"], here)
    if request["most_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["most_bytes"],) * 2)
    fork_what_multiprocessing_starts()
    warm_commands.start_warm_too(request["servers"])
    words = request["words"]
    sys.argv = words if words[0] not in ("-m", "-c") else words[1:]
    if words[0] == "-m":
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv[0] = "-c"
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(words[0], run_name="__main__")


def settle(folder: str, environment: dict[str, str], first: str) -> None:
    """Takes a folder, an environment, and the places of modules that follow from it.

    NumPy's random numbers start anew, as they do in a cold process that seeds nothing.
    """
    np.random.seed()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [first, *paths]


def end(status: object) -> None:
    """Ends the process as Python does, but for taking the libraries apart, which takes long."""
    if status is not None and not isinstance(status, int):
        sys.stderr.write(f"{status}\n")
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit((status or 0) & 255)


def fork_what_multiprocessing_starts() -> None:
    """Has the workers and fork servers of this command forked by a twin of it that runs nothing.

    The twin ends with the command. A worker's parent is the command, which is where orphans go.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ours, twins = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        start_workers(twins)
        return
    twins.close()
    begin = util.spawnv_passfds

    def ask(path: bytes, words: list[str], descriptors: list[int]) -> int:
        code = words[words.index("-c") + 1]
        if not code.startswith(("from multiprocessing.spawn", "from multiprocessing.forkserver")):
            return begin(path, words, descriptors)
        told = {"code": code, "words": words[words.index("-c") + 2 :]}
        told |= {"folder": str(Path.cwd()), "environment": dict(os.environ)}
        told |= {"descriptors": [1, 2, *descriptors]}
        socket.send_fds(ours, [b"."], told["descriptors"])
        with ours.makefile("rw") as talk:
            talk.write(json.dumps(told) + "\n")
            talk.flush()
            return int(talk.readline())

    util.spawnv_passfds = ask


def start_workers(command: socket.socket) -> None:
    """Forks workers as they are asked for; returns in none of them."""
    while True:
        begun, descriptors, _, _ = socket.recv_fds(command, 1, 64)
        if not begun:
            os._exit(0)
        with command.makefile("rw") as talk:
            told = json.loads(talk.readline())
            heard, said = os.pipe()
            between = os.fork()
            if between:
                os.waitpid(between, 0)  # it ends at once, which makes the worker an orphan
                talk.write(os.read(heard, 99).decode() + "\n")
                talk.flush()
                for descriptor in (heard, said, *descriptors):
                    os.close(descriptor)
                continue
            worker = os.fork()
            if worker:
                os.write(said, str(worker).encode())
                os._exit(0)
        command.close()
        become(told, descriptors)


def become(told: Request, descriptors: list[int]) -> None:
    """Runs a worker's code with the descriptors that it names; does not return."""
    import fcntl

    kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, FREE) for descriptor in descriptors]
    os.closerange(3, FREE)
    for descriptor, wanted in zip(kept, told["descriptors"], strict=True):
        os.dup2(descriptor, wanted)
        os.close(descriptor)
    settle(told["folder"], told["environment"], "")
    sys.argv = ["-c", *told["words"]]
    exec(compile(told["code"], "<string>", "exec"), {"__name__": "__main__"})
    raise SystemExit


if __name__ == "__main__":
    main()
