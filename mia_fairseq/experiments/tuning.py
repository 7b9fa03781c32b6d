"""All rows tuned alike: the same small search on validation for each, then seeds of its best.

An experiment with ``tune`` is run so. Its rows, their shared flags and its ``search`` are as in any
other file; the search goes flag by flag, by the validation metric alone, so every row gets as many
trials as another. Settings that a fusion refuses, or with which it has more parameters than
``most-parameters``, are not tried and counted as refused. What is finished is not run again, so a
search that was killed goes on.

Below ``--out/EXPERIMENT``: ``EXPERIMENT.yaml`` with the settings that were found (an experiment
like any other), and ``trials.json`` with ``trials.md``.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import yaml

from mia_fairseq.complexity.cost import SetUp, build
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import PlannedRow
from mia_fairseq.experiments.search import Trial, flag_by_flag, metric_of
from mia_fairseq.experiments.specification.experiment import Experiment
from mia_fairseq.experiments.specification.published import as_printed
from mia_fairseq.experiments.specification.run_flags import Flags, train_flags
from mia_fairseq.files import write_json, write_whole

SIZES = {"--ffn-dim", "--conversation", "--conversation-dim"}  # beyond dims and channels
Trials = dict[str, list[Trial]]  # row -> what was tried, the best first


def tune(
    experiment: Experiment, planned: Sequence[PlannedRow], *, more: Flags, out: Path, jobs: int
) -> Path:
    """Searches settings for every row and writes them down.

    Args:
        experiment: with ``tune`` and ``search``.
        planned: its rows on one DATA folder, with as many seeds as a trial has.
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

    def search(entry: PlannedRow) -> list[Trial]:
        trials = flag_by_flag(entry, experiment.search, more=more, out=out, check=check)
        refused = sum(trial.value is None for trial in trials)
        print(
            f"{entry.row.name}: {metric_of(entry)} {trials[0].value:.4f} on validation, best of "
            f"{len(trials) - refused} settings ({refused} refused): {trials[0].settings}",
            flush=True,
        )
        return trials

    with ThreadPoolExecutor(jobs) as pool:
        names = [entry.row.name for entry in planned]
        found = dict(zip(names, pool.map(search, planned), strict=True))
    folder = out.resolve() / experiment.name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "trials.json", {name: [vars(t) for t in ts] for name, ts in found.items()})
    write_whole(folder / "trials.md", settings_table(found, metric_of(planned[0])))
    return write_tuned(experiment, found, folder / f"{experiment.name}.yaml")


def write_tuned(experiment: Experiment, found: Trials, file: Path) -> Path:
    """Writes the best settings as an experiment of their own.

    Args:
        experiment: what was tuned.
        found: the trials of each row; rows without are left out.
        file: the YAML to write.

    Returns:
        The file.
    """
    shared = experiment.rows[0].shared
    content = {
        "inherits": "nothing",
        "claim": experiment.claim,
        "needs": experiment.needs,
        "status": "settings found by a search on validation, the same for every row",
        "note": experiment.note,
        "reference": experiment.reference if experiment.reference in found else None,
        "plot": experiment.plot,
        **({"metric": experiment.metric} if experiment.metric else {}),
        "flags": dict(shared.flags),
        "by_label": {kind: dict(flags) for kind, flags in shared.by_label.items()},
        "runs": {
            row.name: {
                "flags": {**row.flags, **found[row.name][0].settings},
                **({"paper": row.paper} if row.paper else {}),
            }
            for row in experiment.rows
            if row.name in found
        },
        "paper": {corpus: as_printed(table) for corpus, table in experiment.paper.items()},
    }
    write_whole(file, yaml.safe_dump(content, sort_keys=False, width=100))
    return file


def parameters(store: Store, flags: Sequence[str]) -> int:
    """Of the model that fairseq-train would build with these flags; encoders are not counted.

    Args:
        store: DATA.
        flags: of fairseq-train, with main modality, fusion and channels.

    Raises:
        InputError: the fusion refuses them.
    """
    given = {
        flag: value
        for flag, value in pairwise(flags)
        if flag.startswith("--") and not value.startswith("--")
    }
    auxiliaries = tuple(filter(None, given["--aux-modalities"].split(",")))
    derived = parse_derived("", given.get("--context", ""))
    schema = Schema.choose(store, given["--main-modality"], auxiliaries, derived)
    dims = {name: schema.modalities[name].dim for name in schema.used}
    settings = tuple(f"{flag[2:].replace('-', '_')}={given[flag]}" for flag in SIZES & given.keys())
    setup = SetUp(dims, int(given["--channels"]), outputs=schema.label.outputs, settings=settings)
    return sum(p.numel() for p in build(given["--arch"], setup).parameters())


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
