"""Runs on a Slurm cluster, one job a run, through submitit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.runner import execute
from mia_fairseq.experiments.running.training_run import Run, different_runs
from mia_fairseq.name_values import name_value


def execute_on_slurm(
    runs: Sequence[Run], *, jobs: int, logs: Path, options: Sequence[str], cluster: str = "slurm"
) -> None:
    """Submits what is not finished as one job array, and waits for it.

    Args:
        runs: the runs; their folders must be on a file system that the nodes share.
        jobs: jobs at the same time.
        logs: a folder for the jobs' output.
        options: ``NAME=VALUE`` for submitit's executor.
        cluster: submitit's name of what runs the jobs.

    Raises:
        InputError: submitit is not installed, or Slurm is not there.
        SystemExit: runs failed.
    """
    try:
        import submitit
    except ImportError as error:
        raise InputError(
            "--launcher slurm needs submitit, which is not installed; pip install submitit"
        ) from error
    different = [run for run in different_runs(runs) if not run.finished]
    if not different:
        return
    try:
        executor = submitit.AutoExecutor(folder=str(logs), cluster=cluster)
    except RuntimeError as error:
        raise InputError(
            f"--launcher slurm: submitit finds no Slurm here ({error}); start it on a machine "
            "that has sbatch, or use --launcher local"
        ) from error
    settings: dict[str, Any] = {"timeout_min": 120, "cpus_per_task": 2, "name": "mia_fairseq"}
    settings |= {"slurm_array_parallelism": jobs, **dict(map(_option, options))}
    try:
        executor.update_parameters(**settings)
    except (NameError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--slurm: submitit refuses the options ({reason}); expected NAME=VALUE, such as "
            "timeout_min=60, cpus_per_task=4, slurm_partition=gpu"
        ) from error
    submitted = executor.map_array(execute, different)
    print(f"submitted {len(submitted)} jobs; their output is in {logs}", flush=True)
    failures = []
    for job, run in zip(submitted, different, strict=True):
        error = job.exception()
        if error is not None:
            failures.append(f"{run}: {error}")
    if failures:
        raise SystemExit(
            "\n".join([f"{len(failures)} of {len(different)} runs failed:", *failures])
        )


def _option(text: str) -> tuple[str, Any]:
    name, value = name_value(text, "--slurm", "NAME=VALUE, such as timeout_min=60")
    return name, int(value) if value.isdecimal() else value
