"""Runs an experiment: what is missing is run, what was cut off goes on, what is done stays.

    python -m mia_fairseq.experiments table4 --data DATA --seeds 5 --jobs 2
    python -m mia_fairseq.experiments table4 --data DATA --print  # the file and plain commands
    python -m mia_fairseq.experiments RECIPE.yaml --input file=FILE.npz  # which makes its DATA
    python -m mia_fairseq.experiments which_main --data DATA  # and the recommended command
    python -m mia_fairseq.experiments table1 --data DATA --search 30  # by validation
    python -m mia_fairseq.experiments table8 --data DATA --folds  # each row of DATA tested once

Experiments are the files of ``mia_fairseq/experiments/paper/`` and ``beyond_paper/``, by their
names, or a recipe or a file of one's own, by its path. Then ``python -m mia_fairseq.report
runs/table4`` makes the report.
Several of these commands may run at once, on one folder: no run is run twice.
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.command import run as run_command
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.command_line import experiments_parser, given_inputs, setting
from mia_fairseq.experiments.data_steps import data_folders, make
from mia_fairseq.experiments.index_file import write_index, write_results
from mia_fairseq.experiments.listing import merged_file, print_commands
from mia_fairseq.experiments.plan import PlannedRow, plan
from mia_fairseq.experiments.runner import execute_all
from mia_fairseq.experiments.running.logged_commands import call
from mia_fairseq.experiments.specification import experiment as experiments
from mia_fairseq.experiments.specification.inheritance import located
from mia_fairseq.experiments.which_main import recommend
from mia_fairseq.files import write_whole


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one experiment."""
    args = experiments_parser(__doc__).parse_args(argv)
    more = dict(setting(text) for text in args.set)
    if args.max_epoch is not None:
        more["max-epoch"] = str(args.max_epoch)
    chosen = experiments.load(args.experiment)
    seeds = chosen.seeds if args.seeds is None else args.seeds
    if seeds < 1 or args.jobs < 1:
        raise InputError(f"--seeds {seeds} --jobs {args.jobs}: both must be 1 or more")
    if chosen.command:
        _measure(chosen, args.out.resolve(), only_print=args.print)
        return
    if args.print:
        print(merged_file(args.experiment))
    inputs = given_inputs(args.input)
    data = args.data or _data(chosen, inputs, args)
    if args.print and not all((folder / "meta.json").is_file() for folder in data):
        print("# the runs' commands: by --print again, when DATA is made")
        return
    modalities = tuple(Store(data[0]).modalities)
    chosen = experiments.load(args.experiment, modalities, inputs)
    folds = args.folds or chosen.folds
    bounds: dict[str, Any] = {"folds": folds, "most_runs": args.most_runs}
    planned = plan(chosen, data, seeds=seeds, out=args.out, more=more, **bounds)
    rows = _rows(planned, args.rows)
    if args.print:
        print_commands(rows)
    elif args.search:
        from mia_fairseq.experiments.search import search

        named = args.rows[0] if args.rows else rows[0].row.name  # not what it starts from
        entry = next(entry for entry in rows if entry.row.name == named)
        search(entry, chosen.search, trials=args.search, more=more, out=args.out)
    elif chosen.tune:
        from mia_fairseq.experiments.tuning import tune

        trials = plan(chosen, data, seeds=1, out=args.out, more=more, **bounds)
        wanted = [entry.row.name for entry in _rows(trials, args.rows)]
        source = str(tune(chosen, trials, wanted, more=more, out=args.out, jobs=args.jobs))
        chosen = experiments.load(source)
        planned = plan(chosen, data, seeds=seeds, out=args.out, more=more, **bounds)
        _run(chosen, source, planned, _rows(planned, args.rows), args)
    else:
        own_file = args.experiment.endswith(".yaml")
        source = str(Path(args.experiment).resolve()) if own_file else chosen.name
        _run(chosen, source, planned, rows, args)


def _run(
    chosen: experiments.Experiment,
    source: str,
    planned: Sequence[PlannedRow],
    rows: Sequence[PlannedRow],
    args: argparse.Namespace,
) -> None:
    folder = write_index(chosen, source, planned, args.out)
    runs = [run for entry in rows for run in entry.runs]
    print(f"{chosen.name}: {chosen.claim}")
    print(
        f"{len(runs)} runs, of which {sum(run.finished for run in runs)} are finished", flush=True
    )
    for number in sorted({entry.stage for entry in rows}):
        stage = [run for entry in rows if entry.stage == number for run in entry.runs]
        if args.launcher == "slurm":
            from mia_fairseq.experiments.slurm import execute_on_slurm

            execute_on_slurm(stage, jobs=args.jobs, logs=folder / "slurm", options=args.slurm)
        elif stage:
            execute_all(stage, jobs=args.jobs)
    if chosen.only_validation:
        print(recommend(planned))
    for file in write_results(chosen, planned, folder):
        if file.suffix == ".md":
            print(file.read_text())
        print(f"written: {file}")
    print(f"report: python -m mia_fairseq.report {folder}")


def _data(
    chosen: experiments.Experiment, inputs: Mapping[str, str], args: argparse.Namespace
) -> list[Path]:
    """The DATA folders of the experiment's own file, made where they are not."""
    if not chosen.data:
        raise InputError(f"{chosen.name} needs --data; it needs {chosen.needs}")
    file = located(args.experiment)
    folders = data_folders(chosen, inputs, file=file, out=args.out, jobs=args.jobs)
    for folder in folders:
        if args.print:
            print("\n".join(map(shlex.join, folder.commands)))
        else:
            make(folder)
    return [folder.path for folder in folders]


def _rows(planned: Sequence[PlannedRow], names: Sequence[str] | None) -> list[PlannedRow]:
    """Those that are named, and what they start from; all where none is named."""
    if not names:
        return list(planned)
    known = {entry.row.name: entry.row.after for entry in planned}
    for name in names:
        if name not in known:
            rows = ", ".join(map(repr, known))
            raise InputError(f"--rows {name!r}: no such row; expected some of {rows}")
    wanted = {*names, *(known[name] for name in names)}
    return [entry for entry in planned if entry.row.name in wanted]


def _measure(chosen: experiments.Experiment, out: Path, *, only_print: bool) -> None:
    """Runs the command of an experiment that trains nothing."""
    folder = out / chosen.name
    command = [part.replace("{out}", str(folder / "measured.json")) for part in chosen.command]
    print(shlex.join(command))
    if not only_print:
        folder.mkdir(parents=True, exist_ok=True)
        printed = call(command, folder / "command.log", capture=True)
        write_whole(folder / "printed.md", printed)
        print(printed)


def command() -> None:
    """``mia-experiments``."""
    run_command(main)


if __name__ == "__main__":
    command()
