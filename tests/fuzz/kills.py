"""kill -9 at random moments, and two writers of one --out: the same bits in the end.

make kills
PYTHONPATH=.:tests python tests/fuzz/kills.py --commands binarize unite --kills 9 --races 4 --seed 7

A command is killed at a random moment of its undisturbed run's length, up to three times in a row,
often while it replaces an older result. Then it is run to its end, which is compared by sha256 with
the undisturbed one's. Commands run as forks of a process that has imported them; the experiments'
own processes start as ever.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from killed_commands import COMMANDS, End, give, rows_of, whole_parts
from tqdm import tqdm

from mia_fairseq.command import run as run_command

SAME, LOST, MIXED, LEFT, FAILED = "the same", "rows lost", "mixed", "left behind", "failed"
KILL_ENDS = (SAME, LOST, MIXED, LEFT, FAILED)
WON, SHARED, NEITHER = "one won, one said so", "shared the work", "neither won"
RACE_ENDS = (WON, SHARED, MIXED, LEFT, NEITHER)
GOOD = (SAME, WON, SHARED)
TRIES = 20  # for each kill or race that is to hit a running command


@dataclass
class Outcomes:
    """What became of kills and races: (command, outcome) -> times."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    races: Counter[tuple[str, str]] = field(default_factory=Counter)

    def table(self) -> str:
        """Markdown: kills, then races."""
        lines = []
        for title, ends, counts in (("kill -9", KILL_ENDS, self.kills),
                                    ("races", RACE_ENDS, self.races)):  # fmt: skip
            lines += [f"| {title} | times | {' | '.join(ends)} |", "| --- " * (len(ends) + 2) + "|"]
            for name in [*dict.fromkeys(name for name, _ in counts), "all"]:
                row = [sum(n for (c, e), n in counts.items() if name in (c, "all") and e == end)
                       for end in ends]  # fmt: skip
                lines.append(f"| {name} | {sum(row)} | {' | '.join(map(str, row))} |")
            lines.append("")
        return "\n".join(lines)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, mixed or left behind."""
        return all(end in GOOD for _, end in [*self.kills, *self.races])


class Undisturbed:
    """A command with its inputs, what its two variants end in, and how long it takes."""

    def __init__(self, name: str, given: Path, scratch: Path) -> None:
        self.name, self.command, self.given, self.scratch = name, COMMANDS[name], given, scratch
        self.folders = [scratch / f"{name}-{variant}" / "out" for variant in (0, 1)]
        self.command.load()
        for variant, out in enumerate(self.folders):
            out.parent.mkdir()
            start = time.monotonic()
            assert ended(self.start(out, variant)) == 0, self.log(out).read_text()[-3000:]
            self.seconds = time.monotonic() - start
        self.ends: list[End] = [self.command.end(out) for out in self.folders]
        self.rows = rows_of(self.folders[0])

    def start(self, out: Path, variant: int = 0) -> int:
        """The command in a process of its own."""
        return forked(lambda: self.command.run(self.given, out, variant), self.log(out, variant))

    @staticmethod
    def log(out: Path, variant: int = 0) -> Path:
        """Its output."""
        return out.parent.with_name(f"{out.parent.name}-{variant}.log")


def forked(task: Callable[[], None], log: Path) -> int:
    """A fork of this process, in a group of its own, which runs a command as from a shell."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        tqdm.set_lock(threading.RLock())  # its usual lock is shared by forks, and would die held
        with log.open("a", buffering=1) as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            sys.stdout = sys.stderr = file
            try:
                run_command(task)
                status = 0
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else 1
                file.write(error.code if isinstance(error.code, str) else "")
            except BaseException:
                sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    """Waits; the exit status, or less than 0 by a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(pid: int, after: float, group: bool) -> bool:
    """``kill -9`` after these seconds; whether it found the process running."""
    time.sleep(after)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL) if group else os.kill(pid, signal.SIGKILL)
    return ended(pid) == -signal.SIGKILL


def killed(whole: Undisturbed, rng: random.Random, most: int) -> tuple[int, str]:
    """One to three kills of a command on one ``out``, then its end: (kills, outcome)."""
    folder = Path(tempfile.mkdtemp(dir=whole.scratch))
    out, kills, half = folder / "out", 0, False
    if whole.command.is_data and rng.random() < 0.5:
        shutil.copytree(whole.folders[1], out)
    wanted = min(most, rng.choice((1, 1, 2, 3)))
    for _ in range(TRIES):
        if kills == wanted:
            break
        if kill(whole.start(out), rng.random() * whole.seconds, group=rng.random() < 0.5):
            kills += 1
            half |= not _is_whole(whole, out)
        elif kills:
            break
        else:  # it had ended already, and a second run of it may have nothing to do
            shutil.rmtree(out)
    status = ended(whole.start(out))
    outcome = MIXED if half else _outcome(whole, out, status)
    if outcome == SAME:
        shutil.rmtree(folder)
    return kills, outcome


def _is_whole(whole: Undisturbed, out: Path) -> bool:
    """Whether what a killed command has left under final names is whole."""
    if not whole.command.is_data:
        return whole_parts(out, whole.ends[0])
    retired = out.with_name(f".{out.name}.retired")  # killed between the two moves
    there = out if out.exists() else retired
    return not there.exists() or whole.command.end(there) in whole.ends


def _outcome(whole: Undisturbed, out: Path, status: int) -> str:
    if status != 0:
        return FAILED
    if whole.command.end(out) != whole.ends[0]:
        return LOST if rows_of(out) < whole.rows else MIXED
    return LEFT if _left(out) else SAME


def _left(out: Path) -> list[str]:
    """What is beside ``out``, or hidden in it."""
    beside = [path for path in out.parent.iterdir() if path != out]
    return sorted(str(path) for path in [*beside, *out.rglob(".*")])


def race(whole: Undisturbed, rng: random.Random) -> str | None:
    """Two writers of one ``out``: the outcome, or None where they wrote one after the other."""
    folder = Path(tempfile.mkdtemp(dir=whole.scratch))
    out = folder / "out"
    order = rng.sample((0, 1), 2) if not whole.command.shared else [0, 0]
    first = whole.start(out, order[0])
    time.sleep(rng.random() * 0.3 * whole.seconds)
    log = whole.log(out, order[1]) if not whole.command.shared else folder / "log"
    second = forked(lambda: whole.command.run(whole.given, out, order[1]), log)
    statuses = [ended(first), ended(second)]
    end = whole.command.end(out) if out.exists() else {}
    if whole.command.shared:
        return SHARED if statuses == [0, 0] and end == whole.ends[0] else MIXED
    if end not in whole.ends:
        return MIXED
    if statuses == [0, 0]:
        return None
    if sorted(statuses) != [0, 1] or end != whole.ends[order[statuses.index(0)]]:
        return NEITHER
    lines = whole.log(out, order[statuses.index(1)]).read_text().splitlines()
    said = lines[-1].startswith("error: ") and not any("Traceback" in line for line in lines)
    if _left(out):
        return LEFT
    return WON if said else NEITHER


def measure(
    names: Sequence[str], kills: int, races: int, seed: int, scratch: Path, rows: int = 1200
) -> Outcomes:
    """Spreads kills and races evenly over the commands, which are given this many rows."""
    found, given = Outcomes(), give(scratch / "given", rows)
    for place, name in enumerate(names):
        whole = Undisturbed(name, given, scratch)
        rng = random.Random(f"{seed} {name}")
        left = _share(kills, place, len(names))
        while left > 0:
            count, outcome = killed(whole, rng, left)
            assert count or outcome != SAME, f"{name} ends before it can be killed"
            left -= count
            found.kills[name, outcome] += count
        for _ in range(_share(races, place, len(names))):
            outcomes = (race(whole, rng) for _ in range(TRIES))
            found.races[name, next((o for o in outcomes if o is not None), NEITHER)] += 1
    return found


def _share(total: int, place: int, of: int) -> int:
    return total * (place + 1) // of - total * place // of


def main() -> None:
    """Prints the table; status 1 where anything was lost, mixed or left behind."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz/kills.py", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--races", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--keep", type=Path, help="a new folder for what is written")
    args = parser.parse_args()
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        scratch = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scratch.mkdir(exist_ok=True)
        found = measure(args.commands, args.kills, args.races, args.seed, scratch)
    sys.stdout.write(f"{found.table()}\n{time.monotonic() - start:.0f} s, seed {args.seed}\n")
    sys.exit(0 if found.good else 1)


if __name__ == "__main__":
    main()
