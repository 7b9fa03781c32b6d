"""Runs cases in worker processes under a watchdog: a hang or a crash costs one case.

Case number N of a seed is the same in every run, whatever the processes: its generator is seeded
by the seed, the target's name and N.
"""

import contextlib
import faulthandler
import json
import logging
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outcomes import BAD, CRASH, HANG, OUTCOMES, Target, attempted
from targets import TARGETS

PATIENCE = 20.0  # seconds a case
MEMORY = 6 << 30  # bytes of address space beyond what libraries map


@dataclass
class Tally:
    """What came of all cases.

    Attributes:
        counts: (target, outcome) -> cases.
        found: the bad ones: target, case, outcome, what is known.
        seconds: of the whole run.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: list[tuple[str, int, str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, name: str, number: int, outcome: str, told: str) -> None:
        """One case."""
        self.counts[name, outcome] += 1
        if outcome in BAD:
            self.found.append((name, number, outcome, told))

    def table(self) -> str:
        """Markdown: a row a target, a column an outcome."""
        names = sorted({name for name, _ in self.counts})
        lines = [f"| format | cases | {' | '.join(OUTCOMES)} |", "| --- " * 8 + "|"]
        for name in [*names, "all"]:
            row = [
                sum(n for (t, o), n in self.counts.items() if name in (t, "all") and o == outcome)
                for outcome in OUTCOMES
            ]
            lines.append(f"| {name} | {sum(row)} | {' | '.join(map(str, row))} |")
        return "\n".join(lines)


def cases(count: int, names: Sequence[str] = ()) -> list[tuple[str, int]]:
    """(target, number) of a run, a target's cases one after another."""
    chosen = [target for target in TARGETS if not names or target.name in names]
    whole = sum(target.share for target in chosen)
    return [
        (target.name, number)
        for target in chosen
        for number in range(max(1, round(count * target.share / whole)))
    ]


def run_here(listed: Sequence[tuple[str, int]], seed: int) -> Tally:
    """All cases in this process, without a watchdog."""
    tally, start = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, quiet():
        for name, number, outcome, told in _attempts(listed, seed, Path(scratch)):
            tally.add(name, number, outcome, told)
    tally.seconds = time.monotonic() - start
    return tally


def run_watched(listed: Sequence[tuple[str, int]], seed: int, processes: int) -> Tally:
    """All cases, spread over processes that are watched and replaced."""
    tally, start = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        workers = [
            _Worker(Path(scratch, str(n)), listed[n::processes], seed) for n in range(processes)
        ]
        while workers:
            workers = [worker for worker in workers if worker.watch(tally)]
            time.sleep(0.1)
    tally.seconds = time.monotonic() - start
    return tally


class _Worker:
    """One process at a time, which works through a list and says in a file where it is."""

    def __init__(self, folder: Path, listed: Sequence[tuple[str, int]], seed: int) -> None:
        folder.mkdir()
        self.folder, self.listed, self.seed = folder, list(listed), seed
        self.done = 0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.report = self.folder / f"report{self.done}"
        self.report.touch()
        rest = self.listed[self.done :]
        self.process = context.Process(
            target=_work, args=(rest, self.seed, self.folder, self.report)
        )
        self.process.start()
        self.read, self.since, self.warm = 0, time.monotonic(), False

    def watch(self, tally: Tally) -> bool:
        """Takes what is new, replaces a process that hangs or is gone; whether work is left."""
        alive = self.process.is_alive()  # before the report is read
        with self.report.open("rb") as file:
            file.seek(self.read)
            lines = file.read().split(b"\n")
        for line in lines[:-1]:
            self.read += len(line) + 1
            tally.add(*json.loads(line))
            self.done += 1
            self.since, self.warm = time.monotonic(), True
        if self.done == len(self.listed):
            self.process.join()
            return False
        at_first = not self.warm or self.listed[self.done][0] != self.listed[self.done - 1][0]
        late = time.monotonic() - self.since > PATIENCE * (10 if at_first else 1)
        if late or not alive:
            self.process.kill()
            self.process.join()
            name, number = self.listed[self.done]
            told = f"status {self.process.exitcode}; {self._trace()}"
            tally.add(name, number, HANG if late else CRASH, told)
            self.done += 1
            if self.done == len(self.listed):
                return False
            self._start()
        return True

    def _trace(self) -> str:
        trace = self.report.with_name(self.report.name + ".trace")
        lines = trace.read_text().splitlines() if trace.is_file() else []
        return " < ".join(line.strip() for line in lines if "File" in line)[:400]


def _work(listed: Sequence[tuple[str, int]], seed: int, folder: Path, report: Path) -> None:
    trace = report.with_name(report.name + ".trace").open("w")
    faulthandler.enable(trace)
    with quiet(), report.open("a", buffering=1) as file:
        for found in _attempts(listed, seed, folder):
            file.write(json.dumps(found) + "\n")


def _attempts(
    listed: Sequence[tuple[str, int]], seed: int, scratch: Path
) -> Iterator[tuple[str, int, str, str]]:
    known: dict[str, Target] = {target.name: target for target in TARGETS}
    prepared: dict[str, Any] = {}
    limited = False
    for name, number in listed:
        if name not in prepared:
            folder = scratch / f"base-{os.getpid()}-{name}"
            folder.mkdir()
            prepared[name] = known[name].prepare(folder)
        if not limited:
            _limit_memory()
            limited = True
        folder = scratch / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        rng = random.Random(f"{seed} {name} {number}")
        yield (name, number, *attempted(known[name], prepared[name], rng, folder))


def _limit_memory() -> None:
    """What asks for more than a machine has ends in a MemoryError, not in a killed machine."""
    if multiprocessing.parent_process() is not None:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Neither log lines nor what C libraries print."""
    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("w") as nothing, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(nothing))
        stack.enter_context(contextlib.redirect_stderr(nothing))
        kept = os.dup(2)
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            logging.disable(logging.NOTSET)
