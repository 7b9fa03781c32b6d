"""Reads ``experiments/paper/*.yaml``: an experiment is a claim, runs and the paper's numbers.

A file has
    claim       what the paper (or we) say, in a sentence
    needs       corpora, features and encoders
    status      what of it can be run with what is here
    runs        row name -> ``flags`` (overrides of base.yaml) and ``paper`` (its row of the paper)
and, where of use,
    note, reference (the row that others are compared with), plot
    metric           what rows are compared by, where it is not MAE or the weighted F1
    sweep            flag -> values: every run with every combination
    for_each         modality: a run for each of DATA's, ``{modality}`` standing for it
    evaluations      name -> flags of fairseq-validate, beyond the plain one
    only_validation  true: the test split is not read
    transfer         flags of the training of a head alone, on other corpora
    command          what measures instead of runs
    search           the space of mia_fairseq.experiments --search, where it is not base.yaml's
    paper            corpus -> metric, columns, rows; accuracies and F1 in per cent, as printed
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from mia_fairseq.errors import InputError

FOLDER = Path(__file__).with_name("paper")
FRACTIONS = ("acc", "f1", "weighted_f1", "macro_f1")  # printed by the paper in per cent
REQUIRED = ("claim", "needs", "status", "runs")
OPTIONAL = (
    *("note", "reference", "plot", "sweep", "for_each", "evaluations", "only_validation"),
    *("transfer", "command", "search", "paper", "metric"),
)
PLOTS = ("", "bars", "curves", "gamma", "modalities", "noise")
Flags = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One row of a table: the flags of its runs, and the paper's row beside it."""

    name: str
    flags: Flags
    paper: str | None = None


@dataclass(frozen=True)
class PaperTable:
    """Published numbers: row name -> column -> value, accuracies and F1 as fractions."""

    metric: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Experiment:
    """One file; see the module's docstring for the fields."""

    name: str
    claim: str
    needs: str
    status: str
    rows: tuple[Row, ...]
    note: str = ""
    reference: str | None = None
    plot: str = ""
    evaluations: Mapping[str, Flags] = field(default_factory=dict)
    only_validation: bool = False
    transfer: Flags | None = None
    command: tuple[str, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)
    paper: Mapping[str, PaperTable] = field(default_factory=dict)
    metric: str | None = None


def names() -> list[str]:
    """All experiments here."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "base")


def base() -> dict[str, Any]:
    """base.yaml."""
    return _read(FOLDER / "base.yaml")


def load(name: str, modalities: tuple[str, ...] = ("text", "audio", "video")) -> Experiment:
    """One experiment, by its name or the path of a file of one's own.

    Args:
        name: as in `names`, or a path.
        modalities: of the corpus, for experiments with a run for each.

    Raises:
        InputError: there is none of that name, or the file is not as described above.
    """
    path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not path.is_file() or path.stem == "base":
        raise InputError(f"no experiment {name!r}; there are {', '.join(names())}, or give a .yaml")
    content = _read(path)
    unknown = content.keys() - {*REQUIRED, *OPTIONAL}
    lacking = [key for key in REQUIRED if key not in content]
    if unknown or lacking or content.get("plot", "") not in PLOTS:
        raise InputError(
            f"{path}: unknown keys {sorted(unknown)}, lacking keys {lacking}, plot "
            f"{content.get('plot', '')!r}; expected {', '.join(REQUIRED)}, any of "
            f"{', '.join(OPTIONAL)}, and plot one of {', '.join(filter(None, PLOTS))}"
        )
    rows = _rows(content, modalities)
    reference = content.get("reference")
    if reference is not None and reference not in [row.name for row in rows]:
        raise InputError(f"{path}: reference {reference!r} is none of its rows; name one of them")
    return Experiment(
        path.stem,
        claim=_sentence(content["claim"]),
        needs=_sentence(content["needs"]),
        status=_sentence(content["status"]),
        rows=rows,
        note=_sentence(content.get("note", "")),
        reference=reference,
        plot=content.get("plot", ""),
        evaluations=content.get("evaluations", {}),
        only_validation=content.get("only_validation", False),
        transfer=content.get("transfer"),
        command=tuple(content.get("command", ())),
        search=content.get("search") or base()["search"],
        paper={corpus: _paper(table) for corpus, table in content.get("paper", {}).items()},
        metric=content.get("metric"),
    )


def train_flags(row: Row, label_kind: str, more: Flags | None = None) -> tuple[str, ...]:
    """The flags of fairseq-train: base.yaml, then the label's kind, the row, and ``more``."""
    shared = base()
    merged = {**shared["flags"], **shared["by_label"][label_kind], **row.flags, **(more or {})}
    return as_arguments(merged)


def as_arguments(flags: Flags) -> tuple[str, ...]:
    """``{lr: 1e-3, no-adapters: true}`` as ``--lr 1e-3 --no-adapters``; null leaves a flag out."""
    arguments: list[str] = []
    for name, value in flags.items():
        if value is not None and value is not False:
            arguments += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return tuple(arguments)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is no YAML ({error}); mend it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {type(content).__name__}, expected keys and values")
    return content


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _rows(content: Mapping[str, Any], modalities: tuple[str, ...]) -> tuple[Row, ...]:
    rows = []
    sweep = content.get("sweep", {})
    for name, run in content["runs"].items():
        for modality in modalities if content.get("for_each") == "modality" else ("",):
            own = {
                key: value.replace("{modality}", modality) if isinstance(value, str) else value
                for key, value in run.get("flags", {}).items()
            }
            for values in product(*sweep.values()):
                swept = dict(zip(sweep, values, strict=True))
                parts = [
                    name.replace("{modality}", modality),
                    *(f"{key} {value}" for key, value in swept.items()),
                ]
                rows.append(Row(", ".join(parts), {**own, **swept}, run.get("paper")))
    return tuple(rows)


def _paper(table: Mapping[str, Any]) -> PaperTable:
    columns = tuple(table["columns"])
    rows = {}
    for name, values in table["rows"].items():
        scaled = [_fraction(column, v) for column, v in zip(columns, values, strict=True)]
        rows[name] = dict(zip(columns, scaled, strict=True))
    return PaperTable(table["metric"], columns, rows)


def _fraction(column: str, value: float | None) -> float | None:
    return round(value / 100, 6) if value is not None and column.startswith(FRACTIONS) else value
