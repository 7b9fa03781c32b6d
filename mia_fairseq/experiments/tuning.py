"""All rows tuned alike: the same small search on validation for each, then seeds of its best.

An experiment with ``tune`` is run so. Its rows, their shared flags and its ``search`` are as in any
other file; the search goes flag by flag, by the validation metric alone, so every row gets as many
trials as another. Settings that a fusion refuses, or with which it has more parameters than
``most-parameters``, are not tried and counted as refused. What is finished is not run again, so a
search that was killed goes on. Rows that are not named by ``--rows`` are not searched; those that
have been, on the same data in the same space, stay in the files, and those that have not are told.

Below ``--out/EXPERIMENT``: ``EXPERIMENT.yaml`` with the settings that were found (an experiment
like any other), and ``trials.json`` with ``trials.md``.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.complexity.cost import configured
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.data.views.reading import Reading
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import PlannedRow
from mia_fairseq.experiments.runner import execute
from mia_fairseq.experiments.running.training_run import Run
from mia_fairseq.experiments.search import Trial, execute_source, flag_by_flag, metric_of
from mia_fairseq.experiments.specification.experiment import OF_A_RUN, Experiment
from mia_fairseq.experiments.specification.published import as_printed
from mia_fairseq.experiments.specification.run_flags import Flags, RunRow, train_flags
from mia_fairseq.files import write_json, write_whole

SWITCHES = ("folds", "constant", "only_validation")  # of an experiment
Trials = dict[str, list[Trial]]  # row -> what was tried, the best first


def tune(
    experiment: Experiment,
    planned: Sequence[PlannedRow],
    wanted: Sequence[str],
    *,
    more: Flags,
    out: Path,
    jobs: int,
) -> Path:
    """Searches settings for rows and writes down those of all rows that have been searched.

    Args:
        experiment: with ``tune`` and ``search``.
        planned: its rows on one DATA folder, with as many seeds as a trial has.
        wanted: the names of those that are searched.
        more: flags that stay as they are.
        out: the folder for all experiments.
        jobs: rows at a time.

    Returns:
        The file of the tuned experiment.

    Raises:
        InputError: there is more than one DATA folder, or the search has something to mend.
    """
    if len({entry.store.path for entry in planned}) > 1:
        raise InputError(f"{experiment.name} is tuned on one DATA folder; give one --data")
    most = int(experiment.tune["most-parameters"])

    def check(entry: PlannedRow, settings: Flags) -> None:
        row = replace(entry.row, flags={**entry.row.flags, **settings})
        count = parameters(entry.store, train_flags(row, entry.store.label.kind))
        if count > most:
            raise InputError(f"{count:,} parameters, expected at most {most:,} (most-parameters)")

    def trials_of(entry: PlannedRow, run: Callable[[Run], object]) -> list[Trial]:
        return flag_by_flag(entry, experiment.search, more=more, out=out, check=check, run=run)

    def search(entry: PlannedRow) -> list[Trial]:
        execute_source(entry)
        trials = trials_of(entry, execute)
        refused = sum(trial.value is None for trial in trials)
        print(
            f"{entry.row.name}: {metric_of(entry)} {trials[0].value:.4f} on validation, best of "
            f"{len(trials) - refused} settings ({refused} refused): {trials[0].settings}",
            flush=True,
        )
        return trials

    with ThreadPoolExecutor(jobs) as pool:
        named = [entry for entry in planned if entry.row.name in wanted]
        names = [entry.row.name for entry in named]
        found = dict(zip(names, pool.map(search, named), strict=True))
    for entry in planned:
        if entry.row.name not in found:
            with contextlib.suppress(InputError):
                found[entry.row.name] = trials_of(entry, _look)
    lacking = [entry.row.name for entry in planned if entry.row.name not in found]
    if lacking:
        print(f"not searched yet, so left out: {', '.join(lacking)}", flush=True)
    found = {entry.row.name: found[entry.row.name] for entry in planned if entry.row.name in found}
    folder = out.resolve() / experiment.name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "trials.json", {name: [vars(t) for t in ts] for name, ts in found.items()})
    write_whole(folder / "trials.md", settings_table(found, metric_of(planned[0])))
    return write_tuned(experiment, found, folder / f"{experiment.name}.yaml")


def _look(run: Run) -> None:
    """What a row that is not to be searched has instead of a training."""
    if not run.finished:
        raise InputError(f"{run}: is not trained; name its row with --rows, or leave --rows out")


def write_tuned(experiment: Experiment, found: Trials, file: Path) -> Path:
    """Writes the best settings as an experiment of their own, which is in all else the same.

    Args:
        experiment: what was tuned.
        found: the trials of each row; rows without, and what starts from those, are left out.
        file: the YAML to write.

    Returns:
        The file.
    """
    shared = experiment.rows[0].shared
    rows = [r for r in experiment.rows if r.name in found and (r.after is None or r.after in found)]
    content: dict[str, Any] = {
        "inherits": "nothing",
        "claim": experiment.claim,
        "needs": experiment.needs,
        "status": "settings found by a search on validation, the same for every row",
        "note": experiment.note,
        **experiment.about,
        "reference": experiment.reference if experiment.reference in found else None,
        "plot": experiment.plot,
        **({"metric": experiment.metric} if experiment.metric else {}),
        "seeds": experiment.seeds,
        **{key: True for key in SWITCHES if getattr(experiment, key)},
        "data": {row.data: [] for row in rows if row.data},  # made already; rows name it
        "flags": dict(shared.flags),
        "by_label": {kind: flags and dict(flags) for kind, flags in shared.by_label.items()},
        "runs": {row.name: _run(row, found[row.name][0].settings) for row in rows},
        "evaluations": {
            name: flags and dict(flags) for name, flags in experiment.evaluations.items()
        },
        "paper": {corpus: as_printed(table) for corpus, table in experiment.paper.items()},
    }
    if experiment.transfer is not None:
        content["transfer"] = dict(experiment.transfer)
    write_whole(file, yaml.safe_dump(content, sort_keys=False, width=100))
    return file


def _run(row: RunRow, settings: Flags) -> dict[str, Any]:
    """A row as a file has it, with settings over its own."""
    own = {key: getattr(row, key) for key in OF_A_RUN if getattr(row, key, None)}
    return {**own, "flags": {**row.flags, **settings}}


def parameters(store: Store, flags: Sequence[str]) -> int:
    """Of the model that fairseq-train would build with these flags; encoders are not counted.

    Args:
        store: DATA.
        flags: of fairseq-train, with main modality, fusion and channels.

    Raises:
        InputError: the fusion refuses them.
    """
    given = {  # a switch stands without a value
        flag[2:]: "true" if value.startswith("--") else value
        for flag, value in pairwise((*flags, "--"))
        if flag.startswith("--")
    }
    model, cfg = configured(
        given["arch"],
        tuple(f"{flag.replace('-', '_')}={json.dumps(value)}" for flag, value in given.items()),
    )
    talks = bool(getattr(cfg, "conversation", "") or getattr(cfg, "crf", False))
    past = bool(getattr(cfg, "conversation_past", False))
    reading = Reading.parse(
        given.get("read", "rows"), given.get("speakers", "none"), talks=talks, past=past
    )
    fuses = model.needs_auxiliaries
    auxiliaries = tuple(filter(None, given["aux-modalities"].split(","))) if fuses else ()
    derived = parse_derived(given.get("derive", ""), given.get("context", "")) if fuses else {}
    further = tuple(filter(None, given.get("further-labels", "").split(",")))
    schema = Schema.choose(
        *(store, given["main-modality"], auxiliaries, derived), reading=reading, further=further
    )
    built = model.from_blueprint(cfg, Blueprint(schema))
    return sum(p.numel() for p in built.parameters())


def settings_table(found: Trials, metric: str) -> str:
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
    return "\n".join(lines) + "\n"
