"""Trains and evaluates runs through the command lines, each finished run once.

A run is a folder: checkpoints while it trains, and in the end ``valid.json``, ``test.json``,
``test.tsv`` and ``tensorboard/``. Started again, a run that was cut off goes on from its last
checkpoint, and one that is finished is not touched.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ("--user-dir", "mia_fairseq", "--task", "multimodal_affect")


@dataclass(frozen=True)
class Run:
    """One training and its evaluation.

    Attributes:
        name: of the row in tables.
        data: the DATA folder.
        flags: of fairseq-train, beyond the plugin's own and those of this file.
        seed: of fairseq-train.
        root: the folder that holds all runs.
    """

    name: str
    data: Path
    flags: tuple[str, ...]
    seed: int
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / self.name.replace(" ", "_") / f"seed{self.seed}"

    @property
    def finished(self) -> bool:
        described = self.folder / "run.json"
        return described.is_file() and json.loads(described.read_text()) == self.describe()

    def describe(self) -> dict[str, Any]:
        """What makes this run: a run of other flags or data is another run."""
        return {"data": str(self.data), "flags": list(self.flags), "seed": self.seed}

    def results(self, split: str) -> dict[str, Any]:
        """The metrics of a finished run on one split."""
        loaded: dict[str, Any] = json.loads((self.folder / f"{split}.json").read_text())
        return loaded


def train_command(run: Run) -> list[str]:
    """The plain fairseq-train command of a run."""
    return [
        *("fairseq-train", str(run.data), *PLUGIN, *run.flags, "--seed", str(run.seed)),
        *("--save-dir", str(run.folder), "--tensorboard-logdir", str(run.folder / "tensorboard")),
    ]


def validate_command(run: Run, split: str) -> list[str]:
    """The plain fairseq-validate command of a run on one split."""
    return [
        *("fairseq-validate", str(run.data), *PLUGIN),
        *("--path", str(run.folder / "checkpoint_best.pt"), "--valid-subset", split),
        *("--results-json", str(run.folder / f"{split}.json")),
        *("--predictions", str(run.folder / f"{split}.tsv")),
    ]


def execute(run: Run, *, keep_checkpoint: bool = True) -> None:
    """Trains and evaluates one run, unless it is finished."""
    if run.finished:
        return
    begun = run.folder / "begun.json"
    if run.folder.exists() and not (
        begun.is_file() and json.loads(begun.read_text()) == run.describe()
    ):
        shutil.rmtree(run.folder)  # begun with other flags
    run.folder.mkdir(parents=True, exist_ok=True)
    begun.write_text(json.dumps(run.describe()))
    call(train_command(run), run.folder / "train.log")
    for split in ("valid", "test"):
        call(validate_command(run, split), run.folder / f"{split}.log")
    (run.folder / "checkpoint_last.pt").unlink(missing_ok=True)
    if not keep_checkpoint:
        (run.folder / "checkpoint_best.pt").unlink(missing_ok=True)
    partial = run.folder / "run.json.partial"
    partial.write_text(json.dumps(run.describe()))
    partial.replace(run.folder / "run.json")


def execute_all(runs: Sequence[Run], *, keep_checkpoints: bool = True) -> None:
    """Executes runs one after another, with a progress bar."""
    with tqdm(runs, desc="runs", unit="run") as progress:
        for run in progress:
            progress.set_postfix_str(f"{run.name}, seed {run.seed}")
            execute(run, keep_checkpoint=keep_checkpoints)


def call(command: Sequence[str], log: Path) -> str:
    """Runs a command of this environment; what it reports goes into a log.

    Returns:
        What it printed to standard output.

    Raises:
        SystemExit: it failed; the end of its log is printed.
    """
    tool, *arguments = command
    binary = Path(sys.executable).with_name(tool)
    start = [sys.executable] if tool == "python" else [str(binary)]
    environment = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **os.environ}
    with log.open("a") as file:
        result = subprocess.run(
            [*start, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
        file.write(result.stdout)
    if result.returncode != 0:
        end = "\n".join(log.read_text().splitlines()[-5:])
        raise SystemExit(f"{shlex.join(command)}\nfailed; the end of {log}:\n{end}")
    return result.stdout
