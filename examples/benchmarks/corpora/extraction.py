"""What `preprocess.extract` itself costs a clip: shards, a killed worker, and a merge of them all.

    python -m examples.benchmarks.corpora.extraction [--clips 100000] [--quick] [--json FILE]

A corpus of GENERATED rows without media goes through `python -m preprocess.extract`, whose
extractor gives one vector of four numbers at once, so that what is left is the command's own work.
Four shards run one after another; of the second a worker process is killed (two jobs) and of the
third the whole process, by `kill -9` after a part of their clips, and each is run again. Then
`--merge` closes the folder, and closes it again for manifests of the first clips only. CPU seconds
are those of the commands and of their workers, start-up included, by the system's account.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.benchmarks.processes import command_seconds, ended_seconds
from examples.benchmarks.timing import TimingReport, arguments, machine, r_squared, start

EXTRACTOR = "examples.benchmarks.corpora.trivial_extractor:Trivial"
SHARDS = 4
PARTS = (0.125, 0.25, 0.5, 1.0)  # of the clips, that are merged
KILLED = {1: "a worker", 2: "the process"}  # by shard
AGAIN = 3  # merges of each size
POLL = 0.02  # seconds between looks at how many arrays there are


def write_manifest(path: Path, clips: int) -> Path:
    """A manifest of rows that differ in their words."""
    rows = (f"clip{i:07d}\ttrain\t1.0\ta sentence {'x' * (i % 50)}\n" for i in range(clips))
    path.write_text("id\tsplit\tlabel\ttext\n" + "".join(rows))
    return path


def command(manifest: Path, features: Path, *flags: str) -> list[str]:
    """The extraction's command line."""
    base = [sys.executable, "-m", "preprocess.extract", str(manifest), "--out", str(features)]
    return [*base, "--modality", f"text={EXTRACTOR}", *flags]


def killed_seconds(line: Sequence[str], victim: str, at: int, features: Path) -> tuple[float, bool]:
    """CPU seconds of a command that is killed, and whether it was: it may end before.

    Args:
        line: the command.
        victim: what is killed: "a worker", or "the process".
        at: after how many arrays in the folder.
        features: the folder.
    """
    before = ended_seconds()
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and arrays(features) < at:
        time.sleep(POLL)
    killed = False
    if process.poll() is None:
        victims = [process.pid] if victim == "the process" else workers_of(process.pid)
        for one in victims[:1]:
            os.kill(one, signal.SIGKILL)
            killed = True
    if process.wait() != 0 and not killed:
        raise RuntimeError(f"{' '.join(line)} ended with {process.returncode}")
    return ended_seconds() - before, killed


def arrays(features: Path) -> int:
    """How many clips have their array."""
    return sum(1 for _ in (features / "text").glob("[!.]*.npy"))


def workers_of(process: int) -> list[int]:
    """Processes that run the extractor for a command, the youngest first."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return sorted(map(int, listed), reverse=True)


def extract(manifest: Path, features: Path, clips: int) -> list[dict[str, Any]]:
    """CPU seconds of every command, the killed ones and those that went on."""
    table = []
    for shard in range(SHARDS):
        flags = ["--shard", f"{shard}/{SHARDS}", "--jobs", "2" if shard == 1 else "1"]
        line = command(manifest, features, *flags)
        killed = KILLED.get(shard, "")
        if killed:
            at = arrays(features) + clips // SHARDS // 3
            spent, struck = killed_seconds(line, killed, at, features)
            what = f"{killed} killed" if struck else "ended before the kill"
            table.append({"command": f"shard {shard}, {what}", "CPU s": spent})
        table.append({"command": f"shard {shard}", "CPU s": command_seconds(line)})
    return table


def measure(args: argparse.Namespace) -> TimingReport:
    """All shards, and merges of several sizes."""
    clips = 400 if args.quick else args.clips
    report = TimingReport("Extracting a large corpus", {**machine(), "clips": clips})
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "features"
        manifest = write_manifest(Path(folder) / "manifest.tsv", clips)
        table = extract(manifest, features, clips)
        if arrays(features) != clips:
            raise RuntimeError(f"{arrays(features)} of {clips} clips have an array")
        merges = []
        for part in PARTS:
            some = write_manifest(Path(folder) / f"{part}.tsv", round(part * clips))
            line = command(some, features, "--merge")
            taken = [command_seconds(line) for _ in range(1 if args.quick else AGAIN)]
            merges.append({"clips": round(part * clips), "CPU s": float(np.median(taken))})
    table.append({"command": "merge", "CPU s": merges[-1]["CPU s"]})
    total = sum(row["CPU s"] for row in table)
    report.tables = {"every command": table, "merge": merges}
    report.ratios["CPU ms a clip, all of it"] = 1000 * total / clips
    fit = r_squared([row["clips"] for row in merges], [row["CPU s"] for row in merges])
    report.ratios["R² of a line, CPU seconds of a merge over clips"] = fit
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=100_000)
    start(measure, parser)
