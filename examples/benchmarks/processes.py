"""Processes of their own: what a command takes, and peak memory in a fresh process.

A command's CPU seconds are the user's and the system's, by the system's account, start-up and
children included.
"""

import ctypes
import multiprocessing
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch


def ended_seconds() -> float:
    """CPU seconds that all child processes which have ended took so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


def command_seconds(line: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """CPU seconds of a command that must succeed.

    Args:
        line: the command.
        environment: its variables (default: this process's).
    """
    before = ended_seconds()
    subprocess.run(line, env=environment, check=True, capture_output=True)
    return ended_seconds() - before


def resident(field_name: str) -> float:
    """MiB of a field of this process's status, as Linux counts them: VmHWM, RssAnon and others."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field_name + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field_name}; memory is measured on Linux only")


def peak_memory(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> float:
    """MiB by which the resident set of a fresh process rises at most while an action runs.

    Args:
        prepare: a function at the top level of a module, which makes the action ready (and has
            the libraries load what they load once) and returns it.
        arguments: of `prepare`.
    """
    return in_fresh_process(_rise, prepare, *arguments)


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of a module's top level returns in a process of its own, on one thread."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=one_thread) as pool:
        return pool.submit(function, *arguments).result()


def _rise(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> float:
    action = prepare(*arguments)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # what was freed would be taken again without the peak showing it
        trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    before = resident("VmRSS")
    action()
    return resident("VmHWM") - before


def one_thread() -> None:
    """One thread for all of torch's work."""
    torch.set_num_threads(1)
