"""A few hundred changed files, each read rightly or refused in a sentence (make fuzz: 20,000)."""

import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

from fuzzing import Tally, cases, run_here
from harness import ROOT
from mutations import Grid, changed_value, damaged
from outcomes import CRASH, REFUSED, RIGHT, SILENT, TRACEBACK, Target, attempted, expect

from mia_fairseq.errors import InputError

QUICK = (
    "labels",
    "manifest",
    "cmu",
    "folds",
    "npz",
    "npy",
    "mmsa",
    "csd",
    "data",
    "yaml",
    "results",
)


def test_changed_files_are_read_rightly_or_refused() -> None:
    tally = run_here(cases(300, QUICK), seed=2)
    assert tally.found == []
    assert sum(tally.counts.values()) >= 295
    for name in QUICK:
        assert tally.counts[name, RIGHT] + tally.counts[name, REFUSED] > 0


def test_what_a_case_ends_in(tmp_path: Path) -> None:
    ends = {
        RIGHT: None,
        REFUSED: InputError("one sentence"),
        TRACEBACK: KeyError("x"),
    }
    for outcome, error in ends.items():

        def attempt(_: object, rng: random.Random, folder: Path, error: object = error) -> None:
            if isinstance(error, Exception):
                raise error

        target = Target("one", 1, lambda folder: None, attempt)
        assert attempted(target, None, random.Random(0), tmp_path)[0] == outcome

    def lies(_: object, rng: random.Random, folder: Path) -> None:
        expect(1 == 2, "other numbers")

    silent = attempted(Target("one", 1, Path, lies), None, random.Random(0), tmp_path)
    assert silent == (SILENT, "other numbers")
    tally = Tally()
    tally.add("one", 0, RIGHT, "")
    tally.add("one", 1, CRASH, "status -11")
    assert "| one | 2 | 1 | 0 | 0 | 1 | 0 | 0 |" in tally.table()
    assert tally.found == [("one", 1, CRASH, "status -11")]


def test_changes_are_those_of_the_seed() -> None:
    content = bytes(range(256)) * 4
    assert damaged(random.Random(1), content) == damaged(random.Random(1), content)
    assert len({damaged(random.Random(seed), content) for seed in range(50)}) > 45
    trees = [str(changed_value(random.Random(s), {"a": [1, {"b": 2}]})) for s in range(50)]
    assert len(set(trees)) > 20
    grid = Grid([["id", "x"], ["a", "1"], ["b", "2"]])
    grid.change(random.Random(3))
    assert all(row in (["a", "1"], ["b", "2"]) for row in grid.untouched())


def test_the_make_target_starts() -> None:
    """As `make fuzz` does, from the repository's folder, with fewer cases."""
    (line,) = re.findall(r"^\t(.*tests/fuzz --cases) 20000$", (ROOT / "Makefile").read_text(), re.M)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = line.replace("$(BIN)/python", shlex.quote(sys.executable)) + " 14"
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "| all | 18 |" in done.stdout  # each format at least once
