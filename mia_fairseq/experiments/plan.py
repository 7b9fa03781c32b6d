"""From an experiment and DATA folders to runs, and to the index that a report reads.

Below ``out`` there are ``all/``, the runs of all experiments, each in a folder named by what it
is (so that experiments share the runs that they have in common), and ``EXPERIMENT/index.json``,
which says which run belongs into which row.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.running.training_run import TEST, VALID, Evaluation, Run, with_seed
from mia_fairseq.experiments.specification.experiment import Experiment
from mia_fairseq.experiments.specification.inheritance import fill
from mia_fairseq.experiments.specification.run_flags import Flags, RunRow, as_arguments, train_flags

INDEX_FORMAT = 1
MOST_RUNS = 2_000  # that nobody meant


@dataclass(frozen=True)
class PlannedRow:
    """One row of an experiment on one DATA folder, with a run a seed.

    Attributes:
        row: the row, its ``{data}`` and ``{checkpoint}`` filled in.
        store: the data that it is trained on.
        runs: one a seed.
        tables: where each evaluation stands, in the order of those of the runs.
        source: the row after which it comes, from whose checkpoints it starts.
    """

    row: RunRow
    store: Store
    runs: tuple[Run, ...]
    tables: tuple["Place", ...]
    source: "PlannedRow | None" = None

    @property
    def stage(self) -> int:
        """How many rows must be trained before it, one after another."""
        return 0 if self.source is None else self.source.stage + 1


@dataclass(frozen=True)
class Place:
    """Where an evaluation stands.

    Attributes:
        row: its name.
        data: whose table it is in.
        paper: the published row beside it.
        of: the row of the same models, evaluated as usual, that it is compared with.
    """

    row: str
    data: Path
    paper: str | None = None
    of: str | None = None


def plan(
    experiment: Experiment,
    data: Sequence[Path],
    *,
    seeds: int,
    out: Path,
    more: Flags,
    folds: bool = False,
    most_runs: int = MOST_RUNS,
) -> list[PlannedRow]:
    """All rows of an experiment.

    Args:
        experiment: what to run.
        data: DATA folders; every row is run on each.
        seeds: 1 to this one.
        out: the folder for all experiments.
        more: flags of fairseq-train that override those of every row.
        folds: whether every run is a cross-validation over DATA's folds.
        most_runs: how many runs there may be.

    Raises:
        InputError: there are more runs; a DATA folder is not one, or two have the same name; its
            rows have no folds.
    """
    # A link has a name of its own.
    stores = [(FoldedStore if folds else Store)(folder.absolute()) for folder in data]
    if folds and any(store.label.kind == "multilabel" for store in stores):
        raise InputError(
            "--folds pools predictions of scores and classes; thresholds of several labels at once "
            "belong to each fold, so run fairseq-train with --fold for them"
        )
    if folds and experiment.transfer is not None:
        raise InputError(f"{experiment.name} trains on one corpus and tests on others; no --folds")
    called = [store.path.name for store in stores]
    if len(set(called)) < len(called):
        raise InputError(f"--data names {called}; give folders of different names, rows bear them")
    count = seeds * sum(row.data in (None, name) for row in experiment.rows for name in called)
    if count > most_runs:
        raise InputError(
            f"{experiment.name} makes {count:,} runs: its rows ({len(experiment.rows):,}, with "
            f"every value of its sweep), on each DATA, of {seeds:,} seeds; expected at most "
            f"{most_runs:,}, so shorten sweep, give fewer --seeds, or --most-runs {count}"
        )
    root = out.resolve() / "all"
    entries: list[PlannedRow] = []
    for later in (False, True):
        for store in stores:
            for row in experiment.rows:
                if (row.after is not None) is later and row.data in (None, store.path.name):
                    source = _source(row, store, entries)
                    started = _start(row, store, source)
                    flags = train_flags(started, store.label.kind, more)
                    evaluations, places = _evaluations(experiment, row, store, stores)
                    runs = runs_of(row, store, flags, seeds, root, evaluations)
                    shown = tuple(place(row) for place in places)
                    entries.append(PlannedRow(started, store, runs, shown, source))
    return entries + _heads_anew(experiment, entries, stores, seeds, more)


def _source(row: RunRow, store: Store, entries: Sequence[PlannedRow]) -> PlannedRow | None:
    """The row whose checkpoints a row starts from; None where it starts from nothing."""
    if row.after is None:
        return None
    sources = [entry for entry in entries if entry.row.name == row.after]
    sources = [entry for entry in sources if entry.store is store] or sources
    if len(sources) != 1 or sources[0].stage:
        raise InputError(
            f"run {row.name!r} is after {row.after!r}, which is there {len(sources)} times; "
            "expected one row that starts from nothing else; name its folder with data"
        )
    folds, others = (getattr(of, "folds", ()) for of in (store, sources[0].store))
    if folds != others:
        raise InputError(
            f"run {row.name!r} is after {row.after!r}: {store.path} has folds {folds}, "
            f"{sources[0].store.path} has {others}; each fold starts from the same fold's "
            "checkpoint, so give both the same"
        )
    return sources[0]


def _start(row: RunRow, store: Store, source: PlannedRow | None) -> RunRow:
    """A row whose ``{data}`` and ``{checkpoint}`` are filled in.

    The checkpoint is that of the row it starts from, of the same seed and fold.
    """
    places = {"data": str(store.path)}
    if source is not None:
        folder, fold = source.runs[0].folder.parent, "fold{fold}" if source.runs[0].folds else ""
        places["checkpoint"] = str(folder / fold / "seed{seed}" / "checkpoint_best.pt")
    return replace(row, flags=fill(dict(row.flags), places))


def run_name(row: RunRow, data: Path, flags: Sequence[str]) -> str:
    """A folder's name: readable, and different for different flags or data.

    Args:
        row: names the architecture.
        data: the DATA folder.
        flags: of the training.
    """
    what = json.dumps([str(data), list(flags)])
    digest = hashlib.sha256(what.encode()).hexdigest()[:10]
    arch = {**row.shared.flags, **row.flags}.get("arch", "mia_net")
    return f"{arch}-{data.name}-{digest}"


def evaluation_file(name: str) -> str:
    """The stem of an evaluation's files."""
    return "test-" + re.sub(r"[^\w.+-]+", "_", name)


def runs_of(
    row: RunRow,
    store: Store,
    flags: tuple[str, ...],
    seeds: int,
    root: Path,
    evaluations: tuple[Evaluation, ...],
) -> tuple[Run, ...]:
    """A run a seed; ``{seed}`` in a flag stands for it, and ``{fold}`` for each part's fold.

    Args:
        row: of the experiment.
        store: what it is trained on.
        flags: of its training.
        seeds: how many; they count from 1.
        root: the folder of all runs.
        evaluations: that each run has.
    """
    folds = store.folds if isinstance(store, FoldedStore) else ()
    name = run_name(row, store.path, (*flags, *map(str, folds)))
    return tuple(
        Run(
            name,
            store.path,
            with_seed(flags, seed),
            seed,
            root,
            evaluations,
            row.name,
            folds,
        )
        for seed in range(1, seeds + 1)
    )


def _evaluations(
    experiment: Experiment, row: RunRow, store: Store, stores: Sequence[Store]
) -> tuple[tuple[Evaluation, ...], list[Callable[[RunRow], Place]]]:
    """The evaluations of every run on a store, and where each stands for a given row."""

    def own(row: RunRow) -> Place:
        return Place(row.name, store.path, row.paper)

    if experiment.only_validation or row.only_validation:
        return (VALID,), [own]
    evaluations: list[Evaluation] = [VALID, TEST]
    places: list[Callable[[RunRow], Place]] = [own, own]
    for name, flags in experiment.evaluations.items():
        if flags is None:  # takes an inherited one away
            continue
        evaluations.append(Evaluation(evaluation_file(name), "test", as_arguments(flags)))
        places.append(lambda row, name=name: Place(f"{row.name}: {name}", store.path, of=row.name))
    if experiment.transfer is not None:
        for other in stores:
            if other is not store and other.label == store.label:
                file = evaluation_file(f"on {other.path.name}")
                evaluations.append(Evaluation(file, "test", (), other.path))
                places.append(lambda row, other=other: _transferred(row, store, other, ""))
    return tuple(evaluations), places


def _transferred(row: RunRow, trained: Store, tested: Store, how: str) -> Place:
    published = f"trained on {trained.corpus}{how}"
    return Place(f"{row.name}, trained on {trained.path.name}{how}", tested.path, published)


def _heads_anew(
    experiment: Experiment,
    planned: Sequence[PlannedRow],
    stores: Sequence[Store],
    seeds: int,
    more: Flags,
) -> list[PlannedRow]:
    """For every corpus with other labels: the trained models, frozen, with heads trained anew."""
    if experiment.transfer is None:
        return []
    heads = []
    for entry in planned:
        for other in stores:
            if other.label == entry.store.label:
                continue
            run = entry.runs[0]
            checkpoint = run.folder.with_name("seed{seed}") / "checkpoint_best.pt"
            own = {**entry.row.flags, **experiment.transfer, "init-from": checkpoint}
            row = replace(entry.row, flags=own)
            flags = train_flags(row, other.label.kind, more)
            runs = runs_of(row, other, flags, seeds, run.root, (VALID, TEST))
            place = _transferred(row, entry.store, other, ", head trained anew")
            heads.append(PlannedRow(row, other, runs, (place, place), source=entry))
    return heads
