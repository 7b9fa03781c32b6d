"""Trains and evaluates runs through the command lines, each finished run once.

A run is a folder: checkpoints while it trains, and in the end ``valid.json``, ``test.json``,
``test.tsv`` and ``tensorboard/``; ``run.json`` and ``test.about.json`` say what made them. Started
again, a run that was cut off goes on from its last checkpoint, and one that is finished is not
touched. A lock on each folder keeps several runners from running the same; the system frees it when
the runner and its command, which ends with it, are dead.
"""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mia_fairseq.experiments.running import provenance
from mia_fairseq.experiments.running.forked_commands import run_forked
from mia_fairseq.experiments.running.identity import ROOT, described, holds
from mia_fairseq.experiments.running.pooled_folds import pool
from mia_fairseq.files import not_through_a_link, write_json, write_whole

PLUGIN = ("--user-dir", "mia_fairseq", "--task", "multimodal_affect")


class RunError(SystemExit):
    """A command of a run failed; uncaught, it ends the program with the end of the log."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a run's best checkpoint.

    Attributes:
        name: of the files it writes.
        split: the split it reads.
        flags: of fairseq-validate, beyond the plugin's own.
        data: another DATA folder than the run's own.
    """

    name: str
    split: str
    flags: tuple[str, ...] = ()
    data: Path | None = None


VALID, TEST = Evaluation("valid", "valid"), Evaluation("test", "test")


@dataclass(frozen=True)
class Run:
    """One training and its evaluations.

    Attributes:
        name: of the row in tables.
        data: the DATA folder.
        flags: of fairseq-train, beyond the plugin's own and those of this file.
        seed: of fairseq-train.
        root: the folder that holds all runs.
        evaluations: what is done with the best checkpoint.
        title: what messages call it, where that is not its name.
        folds: of a cross-validation: it is one run a fold, their rows pooled (see pooled_folds.py).
    """

    name: str
    data: Path
    flags: tuple[str, ...]
    seed: int
    root: Path
    evaluations: tuple[Evaluation, ...] = (VALID, TEST)
    title: str = ""
    folds: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.title or self.name}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        return self.root / self.name.replace(" ", "_") / f"seed{self.seed}"

    @property
    def parts(self) -> "dict[int, Run]":
        """The run of each fold; they lie beside the pooled one."""
        return {
            fold: replace(
                self,
                name=f"{self.name}/fold{fold}",
                flags=(*self.flags, "--fold", str(fold)),
                title=f"{self.title or self.name}, fold {fold}",
                folds=(),
            )
            for fold in self.folds
        }

    @property
    def trained(self) -> bool:
        return holds(self.folder / "run.json", self.describe())

    @property
    def finished(self) -> bool:
        return self.trained and not self.open_evaluations()

    def open_evaluations(self) -> list[Evaluation]:
        """Those that have no results yet, or results of other flags or data."""
        return [e for e in self.evaluations if not self._evaluated(e)]

    def _evaluated(self, evaluation: Evaluation) -> bool:
        about = self.folder / f"{evaluation.name}.about.json"
        if not (self.folder / f"{evaluation.name}.json").is_file():
            return False
        return not about.is_file() or holds(about, self.describe_evaluation(evaluation))

    def describe(self) -> dict[str, Any]:
        """What makes this run: with other flags, data or named files it is another run.

        Of files that its flags name (a checkpoint, a teacher's table) the content counts.
        """
        folds = {"folds": list(self.folds)} if self.folds else {}
        return {**described(self.data, self.flags), "seed": self.seed, **folds}

    def describe_evaluation(self, evaluation: Evaluation) -> dict[str, Any]:
        """What makes an evaluation of this run."""
        made_of = described(evaluation.data or self.data, evaluation.flags)
        return {**made_of, "split": evaluation.split}

    def results(self, evaluation: str) -> dict[str, Any]:
        """The metrics of a finished run."""
        loaded: dict[str, Any] = json.loads((self.folder / f"{evaluation}.json").read_text())
        return loaded


def with_seed(flags: Sequence[str], seed: int) -> tuple[str, ...]:
    """Flags with a run's seed for ``{seed}``, as in the checkpoint of another run."""
    return tuple(flag.replace("{seed}", str(seed)) for flag in flags)


def train_command(run: Run) -> list[str]:
    """The plain fairseq-train command of a run."""
    return [
        *("fairseq-train", str(run.data), *PLUGIN, *run.flags, "--seed", str(run.seed)),
        *("--save-dir", str(run.folder), "--tensorboard-logdir", str(run.folder / "tensorboard")),
    ]


def validate_command(run: Run, evaluation: Evaluation) -> list[str]:
    """The plain fairseq-validate command of one evaluation of a run."""
    return [
        *("fairseq-validate", str(evaluation.data or run.data), *PLUGIN, *evaluation.flags),
        *("--path", str(run.folder / "checkpoint_best.pt"), "--valid-subset", evaluation.split),
        *("--results-json", str(run.folder / f"{evaluation.name}.json")),
        *("--predictions", str(run.folder / f"{evaluation.name}.tsv")),
    ]


def execute(run: Run, *, wait: bool = True) -> bool:
    """Trains and evaluates one run, unless it is finished.

    Args:
        run: the run.
        wait: for another process that has it in hand; if not, False is returned.

    Raises:
        RunError: a command failed; ``failed.txt`` in its folder says so until it is run again.
    """
    if run.finished:
        return True
    with locked(run.folder, wait=wait) as lock:
        if lock is None:
            return False
        if not run.finished:  # it may have been finished while we waited
            failed = run.folder / "failed.txt"
            failed.unlink(missing_ok=True)
            try:
                _execute(run, lock)
            except RunError as error:
                write_whole(failed, str(error))
                raise
    return True


def _execute(run: Run, lock: int) -> None:
    if run.folds:
        _execute_folds(run)
        return
    if not run.trained:
        begun = run.folder / "begun.json"
        if run.folder.exists() and not holds(begun, run.describe()):
            shutil.rmtree(run.folder)  # begun with other flags
        run.folder.mkdir(parents=True, exist_ok=True)
        write_json(begun, run.describe())
        write_json(run.folder / provenance.FILE, provenance.made_by())
        _call_forked([train_command(run)], run.folder / "train.log", lock)
    commands = []
    for evaluation in run.open_evaluations():
        (run.folder / f"{evaluation.name}.json").unlink(missing_ok=True)
        write_json(
            run.folder / f"{evaluation.name}.about.json", run.describe_evaluation(evaluation)
        )
        commands.append(validate_command(run, evaluation))
    _call_forked(commands, run.folder / "evaluate.log", lock)
    write_json(run.folder / "run.json", run.describe())
    (run.folder / "checkpoint_last.pt").unlink(missing_ok=True)


def _execute_folds(run: Run) -> None:
    for part in run.parts.values():
        execute(part)
    run.folder.mkdir(parents=True, exist_ok=True)
    for evaluation in run.evaluations:
        about = run.folder / f"{evaluation.name}.about.json"
        write_json(about, run.describe_evaluation(evaluation))
        files = {fold: part.folder / evaluation.name for fold, part in run.parts.items()}
        pool(files, run.folder / evaluation.name, evaluation.data or run.data)
    write_json(run.folder / "run.json", run.describe())


def execute_all(runs: Sequence[Run], *, jobs: int = 1) -> None:
    """Executes runs, ``jobs`` at a time, with a progress bar.

    A run that another process has in hand is left to it, and waited for when all others are done.

    Raises:
        SystemExit: runs failed; all others were run nevertheless.
    """
    failures: list[str] = []
    different = list({run.folder: run for run in runs}.values())
    total = len(different)
    with (
        tqdm(total=total, desc="runs", unit="run") as progress,
        ThreadPoolExecutor(jobs) as pool,
    ):
        try:
            for wait in (False, True):
                futures = {pool.submit(execute, run, wait=wait): run for run in different}
                different = []
                for future in as_completed(futures):
                    run = futures[future]
                    try:
                        done = future.result()
                    except RunError as error:
                        failures.append(f"{run}: {error}")
                        done = True
                    if done:
                        progress.update()
                        progress.set_postfix_str(str(run))
                    else:
                        different.append(run)
        except BaseException:  # Ctrl-C: what has not begun is not begun any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        raise SystemExit("\n".join([f"{len(failures)} of {total} runs failed:", *failures]))


def _call_forked(commands: Sequence[Sequence[str]], log: Path, lock: int) -> None:
    """Runs fairseq's commands, which end with this process; they hold the lock as well."""
    status = run_forked(commands, log, ROOT, lock)
    if status:
        raise _failed(" && ".join(map(shlex.join, commands)), log, status)


def call(command: Sequence[str], log: Path, *, capture: bool = False) -> str:
    """Runs a command of this environment, its output into a log as it comes.

    Args:
        command: and its arguments.
        log: added to.
        capture: give what it prints to standard output back; the log gets it in the end.

    Returns:
        What was captured.

    Raises:
        RunError: it failed.
    """
    tool, *arguments = command
    binary = Path(sys.executable).with_name(tool)
    start = [sys.executable] if tool == "python" else [str(binary)]
    environment = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **os.environ}
    with open(log, "a", opener=not_through_a_link) as file:
        result = subprocess.run(
            [*start, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE if capture else file,
            stderr=file,
            text=True,
        )
        file.write(result.stdout or "")
    if result.returncode != 0:
        raise _failed(shlex.join(command), log, result.returncode)
    return result.stdout or ""


def _failed(command: str, log: Path, status: int) -> RunError:
    how = f"was killed by signal {-status}" if status < 0 else "failed"
    end = "\n".join(log.read_text().splitlines()[-5:])
    return RunError(f"{command}\n{how}; the end of {log}:\n{end}")


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[int | None]:
    """Holds the lock beside a run's folder; yields its descriptor, or None where it is taken."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f"{folder.name}.lock")
    with open(lock, "a", opener=not_through_a_link) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield file.fileno()
