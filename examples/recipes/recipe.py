"""What recipes share: models on DATA folders, several seeds each, and their tables."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.runner import Run, execute_all, with_seed
from mia_fairseq.experiments.summary_tables import summarize
from mia_fairseq.files import write_json, write_whole
from mia_fairseq.metrics import classification_metrics, regression_metrics

# Row of the table -> flags of fairseq-train; ``{seed}`` in a flag stands for the run's.
Models = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """Models that are compared on the test split of one DATA folder.

    Attributes:
        name: of the JSON file that gets the rows.
        title: the line above the table.
        data: the DATA folder.
        models: what is trained on it.
        folder: where the runs go.
    """

    name: str
    title: str
    data: Path
    models: Models
    folder: Path


def recipe_parser(doc: str | None, out: str, *, seeds: int = 5) -> argparse.ArgumentParser:
    """The options that every recipe has."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--max-epoch", type=int, help="fewer for a trial")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="to run (default: all)")
    return parser


def capped(args: argparse.Namespace) -> tuple[str, ...]:
    """The flags of fairseq-train that ``--max-epoch`` means."""
    return () if args.max_epoch is None else ("--max-epoch", str(args.max_epoch))


def run_tables(tables: Sequence[Table], args: argparse.Namespace) -> None:
    """Runs what is missing of all tables, then writes and prints them.

    Args:
        tables: what is to be compared.
        args: of `recipe_parser`.
    """
    cap = capped(args)
    seeds = range(1, args.seeds + 1)
    known = [name for table in tables for name in table.models]
    chosen = args.rows or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise InputError(
            f"--rows names {unknown[0]!r}, expected some of {', '.join(map(repr, known))}"
        )
    runs = {
        table.name: [
            Run(name, table.data, with_seed((*flags, *cap), seed), seed, table.folder)
            for name, flags in table.models.items()
            for seed in seeds
        ]
        for table in tables
    }
    execute_all(
        [run for several in runs.values() for run in several if run.name in chosen], jobs=args.jobs
    )
    out = args.out.resolve()
    texts = []
    for table in tables:
        rows = {"constant": [constant_baseline(table.data)]}
        for name in table.models:  # also what was finished before
            seeds_of = [run for run in runs[table.name] if run.name == name]
            if all(run.finished for run in seeds_of):
                rows[name] = [run.results("test") for run in seeds_of]
        write_json(out / f"{table.name}.json", rows)
        texts.append(f"{table.title}:\n\n{summarize(rows)}\n")
    text = "\n".join(texts)
    write_whole(out / "results.md", text)
    print(f"{text}\nwritten to {out / 'results.md'}")


def constant_baseline(data: Path) -> dict[str, object]:
    """The training labels' mean, or the most frequent class, for every test row."""
    store = Store(data)
    train, test = (store.split(name, ()).labels for name in ("train", "test"))
    if store.label.kind == "regression":
        found = regression_metrics(np.full(len(test), train.mean()), test)
        return {name: None if np.isnan(figure) else figure for name, figure in found.items()}
    most = np.bincount(train.astype(np.int64)).argmax()
    return classification_metrics(np.full(len(test), most), test, store.label.names)
