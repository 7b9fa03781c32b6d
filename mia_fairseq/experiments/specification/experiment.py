"""Reads an experiment's YAML file: a claim, rows of runs, and the paper's numbers.

A file has
    claim       what the paper (or we) say, in a sentence
    needs       corpora, features and encoders
    status      what of it can be run with what is here
    runs        row name -> its run:
                    flags            of fairseq-train, over those of the file
                    use              names of ``groups`` whose flags it takes, the last one wins
                    paper            the row of the paper beside it
                    data             the one of ``data``'s folders that it is for
                    after            the row from whose checkpoints it starts: ``{checkpoint}``
                    only_validation  true: it is a step for others, and never tested
and, where of use,
    inherits         see inheritance.py, which also says what becomes of the keys below
    flags            of all runs
    by_label         kind of DATA's labels -> more flags of all runs
    groups           name -> flags that several runs ``use``
    values           name -> text that stands for ``{name}`` everywhere in the file
    inputs           name -> what is to be given by ``--input name=PATH`` for ``{name}``, or
                     ``what`` it is and its ``default``
    data             DATA folder -> the commands that make it, see data_steps.py
    seeds, folds     what --seeds and --folds are, where they are not given
    constant         true: the tables begin with the training labels' mean or commonest class
    split, gives, beside, time    more of what a reader must know first
    note, reference (the row that others are compared with), plot
    metric           what rows are compared by, where it is not MAE or the weighted F1
    sweep            flag -> values: every run with every combination
    for_each         modality: a run for each of DATA's, ``{modality}`` standing for it
    evaluations      name -> flags of fairseq-validate, beyond the plain one
    only_validation  true: the test split is not read
    transfer         flags of the training of a head alone, on other corpora
    command          what measures instead of runs
    search           the space of mia_fairseq.experiments --search, where it is not base.yaml's
    tune             rows are tuned alike first, see tuning.py: ``most-parameters`` of a model
    paper            corpus -> metric, columns, rows; accuracies and F1 in per cent, as printed
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.specification.content_forms import check_forms
from mia_fairseq.experiments.specification.inheritance import BEYOND, FOLDER, base, located, merged
from mia_fairseq.experiments.specification.published import PaperTable, published_table
from mia_fairseq.experiments.specification.run_flags import Flags, RunRow, rows_of

REQUIRED = ("claim", "needs", "status", "runs")
TEXTS = ("note", "split", "gives", "beside", "time")
OPTIONAL = (
    *("flags", "by_label", "groups", "inputs", "data", "seeds", "folds", "constant", *TEXTS),
    *("reference", "plot", "sweep", "for_each", "evaluations", "only_validation"),
    *("transfer", "command", "search", "tune", "paper", "metric"),
)
OF_A_RUN = ("flags", "use", "paper", "data", "after", "only_validation")
PLOTS = ("", "bars", "curves", "gamma", "modalities", "noise")


@dataclass(frozen=True)
class Input:
    """What ``--input`` takes: in words, and what it is where it is not given."""

    what: str
    default: str | None = None


@dataclass(frozen=True)
class Experiment:
    """One file; see the module's docstring for the fields."""

    name: str
    claim: str
    needs: str
    status: str
    rows: tuple[RunRow, ...]
    note: str = ""
    reference: str | None = None
    plot: str = ""
    evaluations: Mapping[str, Flags] = field(default_factory=dict)
    only_validation: bool = False
    transfer: Flags | None = None
    command: tuple[str, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)
    tune: Mapping[str, Any] = field(default_factory=dict)
    paper: Mapping[str, PaperTable] = field(default_factory=dict)
    metric: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    data: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seeds: int = 5
    folds: bool = False
    constant: bool = False


def names() -> list[str]:
    """All experiments here."""
    files = [*FOLDER.glob("*.yaml"), *BEYOND.glob("*.yaml")]
    return sorted(file.stem for file in files if file.stem != "base")


def load(
    name: str,
    modalities: tuple[str, ...] = ("text", "audio", "video"),
    inputs: Mapping[str, str] | None = None,
) -> Experiment:
    """One experiment, by its name or the path of a file of one's own.

    Args:
        name: as in `names`, or a path.
        modalities: of the corpus, for experiments with a run for each.
        inputs: what was given for ``{name}``; the others stay as they are.

    Raises:
        InputError: there is none of that name, or the file is not as described above.
    """
    path = located(name)
    if not path.is_file() or path == FOLDER / "base.yaml":
        raise InputError(f"no experiment {name!r}; there are {', '.join(names())}, or give a .yaml")
    content = merged(path)
    _check(content, path)
    rows = rows_of(content, modalities, inputs or {}, path)
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
        tune=content.get("tune", {}),
        paper={
            corpus: published_table(table) for corpus, table in content.get("paper", {}).items()
        },
        metric=content.get("metric"),
        about={key: _sentence(content[key]) for key in TEXTS[1:] if key in content},
        inputs={key: _input(given) for key, given in content.get("inputs", {}).items()},
        data={key: tuple(steps) for key, steps in content.get("data", {}).items() if steps},
        seeds=content.get("seeds", 5),
        folds=content.get("folds", False),
        constant=content.get("constant", False),
    )


def _check(content: Mapping[str, Any], path: Path) -> None:
    unknown = [key for key in content if key not in (*REQUIRED, *OPTIONAL)]
    lacking = [key for key in REQUIRED if key not in content]
    if unknown or lacking or content.get("plot", "") not in PLOTS:
        raise InputError(
            f"{path}: unknown keys {str(unknown)[:200]}, lacking keys {lacking}, plot "
            f"{str(content.get('plot', ''))[:60]!r}; expected {', '.join(REQUIRED)}, any of "
            f"{', '.join(OPTIONAL)}, and plot one of {', '.join(filter(None, PLOTS))}"
        )
    check_forms(content, path)
    for name, run in content["runs"].items():
        groups, folders = content.get("groups", {}), content.get("data", {})
        for found, known, key in (
            (set(run), OF_A_RUN, "key"),
            (run.get("use", ()), groups, "group"),
            ([run["after"]] if "after" in run else (), content["runs"], "row"),
            ([run["data"]] if "data" in run else (), folders, "folder of data"),
        ):
            strange = [word for word in found if word not in known]
            if strange:
                raise InputError(
                    f"{path}: run {name!r} has {strange[0]!r}, which is no {key}; expected one of "
                    f"{', '.join(known)}"
                )


def _input(given: str | Mapping[str, Any]) -> Input:
    if isinstance(given, str):
        return Input(_sentence(given))
    return Input(_sentence(given["what"]), str(given["default"]))


def _sentence(text: str) -> str:
    return " ".join(text.split())
