"""Trains and evaluates runs through the command lines, each finished run once.

Started again, a run that was cut off goes on from its last checkpoint, and one that is finished is
not touched. A lock on each folder keeps several runners from running the same; the system frees it
when the runner and its command, which ends with it, are dead.
"""

import shlex
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from mia_fairseq.experiments.running import provenance
from mia_fairseq.experiments.running.forked_commands import run_forked
from mia_fairseq.experiments.running.identity import ROOT, holds
from mia_fairseq.experiments.running.logged_commands import RunError, failed, locked
from mia_fairseq.experiments.running.pooled_folds import pool
from mia_fairseq.experiments.running.training_run import (
    Run,
    different_runs,
    train_command,
    validate_command,
)
from mia_fairseq.files import write_json, write_whole


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
        (run.folder / f"{evaluation.name}.json").unlink(missing_ok=True)  # may be of other flags
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
    different = different_runs(runs)
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
        raise failed(" && ".join(map(shlex.join, commands)), log, status)
