"""What the models of an experiment cost, beside their results: parameters and CPU time.

    python -m examples.benchmarks.experiment_costs runs/fusions_tuned

writes ``costs.json`` and ``costs.md`` into the experiment's folder: its rows with their costs, the
best first. Parameters are those of the whole model. CPU seconds are those of a process that is
fairseq-train: the median training epoch of four but the first, loading and metrics included,
validation and saving not; one thread, one row after another.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.benchmarks.framework_tax import fairseq_train
from examples.benchmarks.processes import in_fresh_process
from mia_fairseq.command import run as run_command
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.running.training_run import PLUGIN
from mia_fairseq.experiments.summary_tables import COST_COLUMNS, summarize
from mia_fairseq.experiments.tuning import parameters
from mia_fairseq.files import write_json, write_whole

EPOCHS = 4  # of which CPU seconds are measured, the first left out


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, writes and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", type=Path, help="its folder below --out")
    args = parser.parse_args(argv)
    rows = {}
    for entry in _entries(args.experiment):
        row = next(e["row"] for e in entry["evaluations"] if e["file"] == "test")
        folder = (args.experiment / entry["folder"]).resolve()
        results = [json.loads(file.read_text()) for file in sorted(folder.glob("seed*/test.json"))]
        if results:
            costs = _costs(folder, Path(entry["data"]), entry["flags"])
            rows[row] = [{**found, **costs} for found in results[: entry["seeds"]]]
    if not rows:
        raise InputError(f"{args.experiment}: no row is finished; run the experiment first")
    metric, sign = ("mae", 1) if "mae" in next(iter(rows.values()))[0] else ("weighted_f1", -1)
    means = {name: sign * np.mean([seed[metric] for seed in rows[name]]) for name in rows}
    rows = {name: rows[name] for name in sorted(rows, key=means.__getitem__)}
    write_json(args.experiment / "costs.json", rows)
    write_whole(args.experiment / "costs.md", summarize(rows) + "\n")
    print(f"{summarize(rows)}\nwritten to {args.experiment / 'costs.md'}")


def _entries(experiment: Path) -> list[dict[str, Any]]:
    index = experiment / "index.json"
    try:
        return list(json.loads(index.read_text())["rows"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{index}: cannot be read ({error}); run the experiment first") from error


def _costs(folder: Path, data: Path, flags: Sequence[str]) -> dict[str, float]:
    file = folder / "cost.json"  # beside the seeds of this very model
    if not file.is_file():
        made = json.loads((folder / "seed1" / "run.json").read_text())
        fold = [f"--fold={number}" for number in made.get("folds", ())[:1]]  # the first, of several
        seconds = in_fresh_process(cpu_seconds_an_epoch, data, (*flags, *fold))
        values = (parameters(Store(data), flags) / 1e6, seconds)
        write_json(file, dict(zip(COST_COLUMNS, values, strict=True)))
    costs: dict[str, float] = json.loads(file.read_text())
    return costs


def cpu_seconds_an_epoch(data: Path, flags: Sequence[str]) -> float:
    """Trains a few epochs by fairseq-train in this process; saves and validates nothing."""
    ends: list[float] = []

    def note(end_of_epoch: bool) -> None:
        if end_of_epoch:
            ends.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        words = [str(data), *PLUGIN, *flags, "--seed", "1", "--cpu", "--no-save"]
        words += ["--max-epoch", str(EPOCHS), "--save-dir", folder, "--no-progress-bar"]
        fairseq_train(words, note)
    return float(np.median(np.diff(ends)))


if __name__ == "__main__":
    run_command(main)
