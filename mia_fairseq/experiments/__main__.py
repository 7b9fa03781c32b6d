"""Runs an experiment: what is missing is run, what was cut off goes on, what is done stays.

    python -m mia_fairseq.experiments table4 --data DATA --seeds 5 --jobs 2
    python -m mia_fairseq.experiments table4 --data DATA --print  # the plain commands
    python -m mia_fairseq.experiments which_main --data DATA  # and the recommended command
    python -m mia_fairseq.experiments table1 --data DATA --search 30  # by validation
    python -m mia_fairseq.experiments table8 --data DATA --folds  # each row of DATA tested once

Experiments are the files of ``experiments/paper/`` (or a file of one's own, by its path). Then
``python -m mia_fairseq.report runs/table4`` makes the report. Several of these commands may run at
once, on one folder: no run is run twice.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import run as run_command
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments import experiment as experiments
from mia_fairseq.experiments.plan import PlannedRow, plan, write_index, write_results
from mia_fairseq.experiments.runner import call, execute_all, train_command, validate_command
from mia_fairseq.experiments.which_main import recommend
from mia_fairseq.name_values import name_value


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one experiment."""
    args = _parser().parse_args(argv)
    more = dict(_setting(text) for text in args.set)
    if args.max_epoch is not None:
        more["max-epoch"] = str(args.max_epoch)
    if args.seeds < 1 or args.jobs < 1:
        raise InputError(f"--seeds {args.seeds} --jobs {args.jobs}: both must be 1 or more")
    modalities = tuple(Store(args.data[0]).modalities) if args.data else ()
    chosen = experiments.load(args.experiment, modalities)
    if chosen.command:
        _measure(chosen, args.out.resolve(), only_print=args.print)
        return
    if not args.data:
        raise InputError(f"{chosen.name} needs --data; it needs {chosen.needs}")
    planned = plan(chosen, args.data, seeds=args.seeds, out=args.out, more=more, folds=args.folds)
    runs = [run for entry in planned for run in entry.runs]
    if args.print:
        for run in [part for whole in runs for part in whole.parts.values() or (whole,)]:
            print(shlex.join(train_command(run)))
            for evaluation in run.evaluations:
                print(shlex.join(validate_command(run, evaluation)))
        return
    if args.search:
        from mia_fairseq.experiments.search import search

        entry = _row(planned, args.row)
        search(entry, chosen.search, trials=args.search, more=more, out=args.out)
        return
    own_file = args.experiment.endswith(".yaml")
    source = str(Path(args.experiment).resolve()) if own_file else chosen.name
    folder = write_index(chosen, source, planned, args.out)
    print(f"{chosen.name}: {chosen.claim}")
    print(
        f"{len(runs)} runs, of which {sum(run.finished for run in runs)} are finished", flush=True
    )
    for later in (False, True):  # what starts from others' checkpoints comes after them
        stage = [run for entry in planned if entry.later is later for run in entry.runs]
        if args.launcher == "slurm":
            from mia_fairseq.experiments.slurm import execute_on_slurm

            execute_on_slurm(stage, jobs=args.jobs, logs=folder / "slurm", options=args.slurm)
        elif stage:
            execute_all(stage, jobs=args.jobs)
    if chosen.only_validation:
        print(recommend(planned))
    for file in write_results(chosen, planned, folder):
        print(f"written: {file}")
    print(f"report: python -m mia_fairseq.report {folder}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mia_fairseq.experiments",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"experiments: {', '.join(experiments.names())}",
    )
    parser.add_argument("experiment", metavar="EXPERIMENT")
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="one DATA folder or more")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 to this one")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument(
        "--folds",
        action="store_true",
        help="cross-validation: a run for each fold of DATA's rows, their test rows pooled",
    )
    parser.add_argument("--max-epoch", type=int, help="fewer for a trial")
    parser.add_argument(
        *("--set",), action="append", default=[], metavar="FLAG=VALUE", help="for every run"
    )
    parser.add_argument("--launcher", choices=("local", "slurm"), default="local")
    parser.add_argument(
        *("--slurm",),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of submitit's executor, such as timeout_min=60 or slurm_partition=gpu",
    )
    parser.add_argument("--print", action="store_true", help="print the commands, run nothing")
    parser.add_argument(
        *("--search",),
        type=int,
        metavar="TRIALS",
        help="search the experiment's or base.yaml's space, by validation only (needs optuna)",
    )
    parser.add_argument("--row", metavar="NAME", help="of --search (default: the first)")
    return parser


def _row(planned: Sequence[PlannedRow], name: str | None) -> PlannedRow:
    for entry in planned:
        if name in (None, entry.row.name):
            return entry
    rows = ", ".join(entry.row.name for entry in planned)
    raise InputError(f"--row {name}: no such row; expected one of {rows}")


def _setting(text: str) -> tuple[str, str]:
    name, value = name_value(text, "--set", "FLAG=VALUE, such as lr=1e-4", empty=True)
    return name.removeprefix("--"), value


def _measure(chosen: experiments.Experiment, out: Path, *, only_print: bool) -> None:
    """Runs the command of an experiment that trains nothing."""
    folder = out / chosen.name
    command = [part.replace("{out}", str(folder / "measured.json")) for part in chosen.command]
    print(shlex.join(command))
    if not only_print:
        folder.mkdir(parents=True, exist_ok=True)
        printed = call(command, folder / "command.log", capture=True)
        (folder / "printed.md").write_text(printed)
        print(printed)


if __name__ == "__main__":
    run_command(main)
