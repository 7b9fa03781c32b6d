"""The rows of an experiment's file, and the flags of their runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.specification.inheritance import base, fill

Flags = Mapping[str, Any]
MOST_ROWS = 10_000


@dataclass(frozen=True)
class Shared:
    """Flags of all runs of a file.

    Attributes:
        flags: of every run.
        by_label: kind of label -> more.
    """

    flags: Flags
    by_label: Mapping[str, Flags]


def base_flags() -> Shared:
    """Those of base.yaml."""
    content = base()
    return Shared(content["flags"], content["by_label"])


@dataclass(frozen=True)
class RunRow:
    """One row of a table: the flags of its runs, and the other keys of its run in the file."""

    name: str
    flags: Flags
    paper: str | None = None
    shared: Shared = field(default_factory=base_flags)
    data: str | None = None
    after: str | None = None
    only_validation: bool = False


def train_flags(row: RunRow, label_kind: str, more: Flags | None = None) -> tuple[str, ...]:
    """The flags of fairseq-train: the file's, then the label's kind, the row, and ``more``.

    Args:
        row: of an experiment.
        label_kind: regression, classes or multilabel.
        more: flags that win over all of these.
    """
    return as_arguments(merged_flags(row, label_kind, more))


def merged_flags(row: RunRow, label_kind: str, more: Flags | None = None) -> dict[str, Any]:
    """The flags of `train_flags` by name.

    Args:
        row: of an experiment.
        label_kind: regression, classes or multilabel.
        more: flags that win over all of these.
    """
    shared = row.shared
    return {**shared.flags, **(shared.by_label.get(label_kind) or {}), **row.flags, **(more or {})}


def as_arguments(flags: Flags) -> tuple[str, ...]:
    """``{lr: 1e-3, no-adapters: true}`` as ``--lr 1e-3 --no-adapters``; null leaves a flag out."""
    arguments: list[str] = []
    for name, value in flags.items():
        if value is not None and value is not False:
            arguments += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return tuple(arguments)


def rows_of(
    content: Mapping[str, Any], modalities: tuple[str, ...], inputs: Mapping[str, str], path: Path
) -> tuple[RunRow, ...]:
    """Every row: each run of the file, with every value of its sweep, for each modality.

    Args:
        content: of the file, with what it inherits.
        modalities: of the corpus.
        inputs: what was given for ``{name}``.
        path: the file, for errors.
    """
    rows = []
    sweep = content.get("sweep", {})
    count = len(content["runs"]) * math.prod(map(len, sweep.values()))
    if count > MOST_ROWS or not (count or content.get("command")):
        raise InputError(
            f"{path}: its runs and the values of its sweep make {count:,} rows, expected 1 to "
            f"{MOST_ROWS:,}; mend runs or sweep"
        )
    shared = Shared(*(fill(content.get(key, {}), inputs) for key in ("flags", "by_label")))
    groups = content.get("groups", {})
    for name, run in content["runs"].items():
        used: dict[str, Any] = {}
        for group in run.get("use", ()):
            used |= groups[group] or {}
        own = fill({**used, **run.get("flags", {})}, inputs)
        for modality in modalities if content.get("for_each") == "modality" else ("",):
            its = fill(own, {"modality": modality})
            for values in product(*sweep.values()):
                swept = dict(zip(sweep, values, strict=True))
                parts = [fill(name, {"modality": modality})]
                parts += [f"{key} {value}" for key, value in swept.items()]
                rows.append(
                    RunRow(
                        ", ".join(parts),
                        {**its, **swept},
                        run.get("paper"),
                        shared,
                        data=run.get("data"),
                        after=run.get("after"),
                        only_validation=run.get("only_validation", False),
                    )
                )
    if len({row.name for row in rows}) < len(rows):
        raise InputError(f"{path}: two of its rows have one name; give each its own")
    return tuple(rows)
