r"""Every fusion tuned alike: the same small search on validation, then several seeds of its best.

    python -m examples.recipes.fusions_tuned --data DATA --out runs --seeds 5
    python -m examples.recipes.fusions_tuned --data RAVDESS --folds \\
        --experiment examples/recipes/ravdess/ravdess_fusions.yaml
    python -m mia_fairseq.report runs/fusions_tuned          # with intervals and differences

Fusions, their shared flags and the search are those of ``experiments/fusions.yaml``: flag by flag,
one seed a trial, by the validation metric alone. The test split is read for each fusion's best
settings only. Settings that a fusion refuses, or with which it has more than ``--most-parameters``
(20 million, which of MOSI's features only Cross-Transformers between all pairs of many modalities
exceed), are not tried and counted as refused. What is finished is not run again, so that a killed
search goes on.

Below ``--out``: ``all/`` with the runs, ``fusions_tuned.yaml`` with the settings that were found
(an experiment like any other), and ``fusions_tuned/`` with ``trials.json``, the table in
``table.md`` and its rows in ``table.json``. Parameters are those of the whole model. CPU seconds
are those of a process that is fairseq-train: the median training epoch of four but the first,
loading and metrics included, validation and saving not; one thread, one fusion after another.

CMU-MOSI's ``DATA`` comes from `examples.recipes.mosi_utterance`: 96 trials and 60 runs, of which 12
are trials already. Estimated from the models' steps, that is one to one and a half hours of a core.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from examples.benchmarks.framework_tax import fairseq_train
from examples.benchmarks.timing import in_fresh_process
from mia_fairseq.command import run as run_command
from mia_fairseq.complexity.cost import SetUp, build
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.errors import InputError
from mia_fairseq.experiments import __main__ as experiment_runner
from mia_fairseq.experiments import experiment as experiments
from mia_fairseq.experiments.experiment import Experiment
from mia_fairseq.experiments.plan import PlannedRow, plan
from mia_fairseq.experiments.run_flags import Flags, train_flags
from mia_fairseq.experiments.runner import PLUGIN, Run
from mia_fairseq.experiments.search import Trial, flag_by_flag, metric_of
from mia_fairseq.experiments.summary_tables import COST_COLUMNS, summarize
from mia_fairseq.files import write_json, write_whole

NAME = "fusions_tuned"
EPOCHS = 4  # of which CPU seconds are measured, the first left out


def main(argv: Sequence[str] | None = None) -> None:
    """Searches, runs the seeds, measures, and prints the table."""
    args = _parser().parse_args(argv)
    out = args.out.resolve()
    folder = out / NAME
    folder.mkdir(parents=True, exist_ok=True)
    chosen = experiments.load(args.experiment)
    more: Flags = {} if args.max_epoch is None else {"max-epoch": str(args.max_epoch)}
    folds = args.folds
    planned = plan(chosen, [args.data], seeds=args.search_seeds, out=out, more=more, folds=folds)
    found = search_all(planned, chosen, more, out, args)
    write_json(folder / "trials.json", {name: [vars(t) for t in ts] for name, ts in found.items()})
    tuned = write_experiment(chosen, found, out / f"{NAME}.yaml")
    common = [f"--set={name}={value}" for name, value in more.items()]
    shared = ["--data", str(args.data), "--out", str(out), "--seeds", str(args.seeds)]
    shared += ["--folds"] if folds else []
    experiment_runner.main([str(tuned), *shared, "--jobs", str(args.jobs), *common])
    tuned_rows = experiments.load(str(tuned))
    best = plan(tuned_rows, [args.data], seeds=args.seeds, out=out, more=more, folds=folds)
    rows = {entry.row.name: with_costs(entry) for entry in best}
    metric = metric_of(best[0])
    ordered = sorted(rows, key=lambda name: _mean(rows[name], metric), reverse=metric != "mae")
    rows = {name: rows[name] for name in ordered}
    write_json(folder / "table.json", rows)
    text = f"{summarize(rows)}\n\n{settings_table(found, metric)}\n"
    write_whole(folder / "table.md", text)
    print(f"{text}\nwritten to {folder / 'table.md'}")


def search_all(
    planned: Sequence[PlannedRow],
    chosen: Experiment,
    more: Flags,
    out: Path,
    args: argparse.Namespace,
) -> dict[str, list[Trial]]:
    """The trials of each row, its best first; ``--jobs`` rows at a time."""

    def check(entry: PlannedRow, settings: Flags) -> None:
        row = replace(entry.row, flags={**entry.row.flags, **settings})
        count = parameters(entry.store, train_flags(row, entry.store.label.kind))
        if count > args.most_parameters:
            raise InputError(
                f"{count:,} parameters, expected at most {args.most_parameters:,}; give more "
                "by --most-parameters"
            )

    def search(entry: PlannedRow) -> list[Trial]:
        trials = flag_by_flag(entry, chosen.search, more=more, out=out, check=check)
        refused = sum(trial.value is None for trial in trials)
        print(
            f"{entry.row.name}: {metric_of(entry)} {trials[0].value:.4f} on validation, best of "
            f"{len(trials) - refused} settings ({refused} refused): {trials[0].settings}",
            flush=True,
        )
        return trials

    with ThreadPoolExecutor(args.jobs) as pool:
        return dict(zip([e.row.name for e in planned], pool.map(search, planned), strict=True))


def write_experiment(chosen: Experiment, found: dict[str, list[Trial]], file: Path) -> Path:
    """The best settings as an experiment of their own."""
    content = {
        "claim": chosen.claim,
        "needs": chosen.needs,
        "status": f"settings found by python -m examples.{NAME}",
        "note": chosen.note,
        "reference": chosen.reference,
        "plot": chosen.plot,
        **({"metric": chosen.metric} if chosen.metric else {}),
        "runs": {
            row.name: {"flags": {**row.flags, **found[row.name][0].settings}} for row in chosen.rows
        },
    }
    write_whole(file, yaml.safe_dump(content, sort_keys=False, width=100))
    return file


def with_costs(entry: PlannedRow) -> list[dict[str, Any]]:
    """The test metrics of each seed, with what the model costs."""
    run = entry.runs[0]
    file = run.folder.with_name("cost.json")  # beside the seeds of this very model
    if not file.is_file():
        part = next(iter(run.parts.values()), run)  # of a cross-validation the first fold
        seconds = in_fresh_process(cpu_seconds_an_epoch, part)
        values = (parameters(entry.store, run.flags) / 1e6, seconds)
        write_json(file, dict(zip(COST_COLUMNS, values, strict=True)))
    costs = json.loads(file.read_text())
    return [{**run.results("test"), **costs} for run in entry.runs]


def parameters(store: Store, flags: Sequence[str]) -> int:
    """Of the whole model that fairseq-train would build with these flags.

    Raises:
        InputError: the fusion refuses them.
    """
    given = dict(pairwise(flags))
    auxiliaries = tuple(given["--aux-modalities"].split(","))
    derived = parse_derived("", given.get("--context", ""))
    schema = Schema.choose(store, given["--main-modality"], auxiliaries, derived)
    dims = {name: schema.modalities[name].dim for name in schema.used}
    setup = SetUp(dims, int(given["--channels"]), outputs=schema.label.outputs)
    return sum(p.numel() for p in build(given["--arch"], setup).parameters())


def cpu_seconds_an_epoch(run: Run) -> float:
    """Trains a few epochs by fairseq-train in this process; saves and validates nothing."""
    ends: list[float] = []

    def note(end_of_epoch: bool) -> None:
        if end_of_epoch:
            ends.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        flags = [str(run.data), *PLUGIN, *run.flags, "--seed", str(run.seed), "--cpu", "--no-save"]
        flags += ["--max-epoch", str(EPOCHS), "--save-dir", folder, "--no-progress-bar"]
        fairseq_train(flags, note)
    return float(np.median(np.diff(ends)))


def settings_table(found: dict[str, list[Trial]], metric: str) -> str:
    """What was found for each row, and how far apart its trials were on validation."""
    lines = [
        f"| model | settings | {metric} on validation | worst trial | trials | refused |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, trials in found.items():
        values = [trial.value for trial in trials if trial.value is not None]
        worst = max(values) if metric == "mae" else min(values)
        settings = ", ".join(f"{key} {value}" for key, value in trials[0].settings.items())
        cells = [name, settings, f"{values[0]:.3f}", f"{worst:.3f}", str(len(trials))]
        lines.append(f"| {' | '.join([*cells, str(len(trials) - len(values))])} |")
    return "\n".join(lines)


def _mean(seeds: Sequence[dict[str, Any]], metric: str) -> float:
    return float(np.mean([seed[metric] for seed in seeds]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a DATA folder")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=5, help="of each fusion's best settings")
    parser.add_argument("--search-seeds", type=int, default=1, help="of each trial")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument(
        "--most-parameters", type=int, default=20_000_000, help="of the largest model tried"
    )
    parser.add_argument("--max-epoch", type=int, help="fewer for a trial")
    parser.add_argument("--folds", action="store_true", help="search and test over DATA's folds")
    parser.add_argument("--experiment", default="fusions", help="or a .yaml of one's own")
    return parser


if __name__ == "__main__":
    run_command(main)
