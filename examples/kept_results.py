"""Results that are published: small JSON files, each row with what it was made of."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.running import provenance
from mia_fairseq.experiments.running.identity import CONTENT
from mia_fairseq.experiments.summary_tables import (
    CLASS_COLUMNS,
    COST_COLUMNS,
    MULTILABEL_COLUMNS,
    REGRESSION_COLUMNS,
    SIMS_COLUMNS,
)
from mia_fairseq.files import write_whole
from mia_fairseq.report.comparison import show
from mia_fairseq.report.run_results import sections_of
from mia_fairseq.report.shown_tables import Cell, ShownRow

RESAMPLES = 2000
COSTS = "costs"  # rows of an experiment's one DATA folder, beside what they cost
FIGURES = (*REGRESSION_COLUMNS, *SIMS_COLUMNS, *CLASS_COLUMNS, *MULTILABEL_COLUMNS)
KEPT = tuple(dict.fromkeys(("n", "n_non0", *FIGURES, *COST_COLUMNS)))
Rows = dict[str, list[dict[str, Any]]]


def keep(name: str, sources: Sequence[str], results: Path) -> None:
    """Copies the rows of ``TITLE=SOURCE`` arguments into ``results/NAME.json``.

    Args:
        name: of the file.
        sources: a title, and the JSON file of rows that an experiment wrote; the experiment's
            ``index.json`` beside it leads to the run folders, which tell what made each row.
        results: the folder of published results.

    Raises:
        InputError: no source is given, or one holds no rows of results.
    """
    if not sources:
        raise InputError(f"--keep {name} names no file; give TITLE=FILE, a title and its rows")
    tables = []
    for argument in sources:
        title, _, file = argument.rpartition("=")
        rows, made = read_rows(Path(file)), read_provenance(Path(file))
        about = {row: made[row] for row in rows if row in made}
        table = {"title": title or Path(file).stem, "rows": rows, "made_of": about}
        tables.append({**table, **read_differences(Path(file))})
    text = json.dumps({"tables": tables}, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(results / f"{name}.json", text + "\n")


def read_rows(file: Path) -> Rows:
    """The rows of one file, without what no table shows; NaN becomes None."""
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
        rows = {name: [figures(seed) for seed in seeds] for name, seeds in loaded.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file}: holds no rows of results ({error}), expected row name -> a list of metrics, "
            "one a seed, as mia_fairseq.experiments writes it"
        ) from error
    if not rows or not all(seeds and all("n" in seed for seed in seeds) for seeds in rows.values()):
        raise InputError(
            f"{file}: a row has no seed or no n, expected metrics of at least one seed in each "
            "row; finish the runs first"
        )
    return rows


def read_provenance(file: Path) -> dict[str, dict[str, Any]]:
    """What made each row of a file of results: flags, DATA, seeds, validation, commit, machine.

    Rows that no run made, such as the constant, and rows of another DATA folder are left out.
    """
    index = file.with_name("index.json")
    if not index.is_file():
        return {}
    found: dict[str, dict[str, Any]] = {}
    for entry in json.loads(index.read_text())["rows"]:
        folder = (index.parent / entry["folder"]).resolve()
        for evaluation in entry["evaluations"]:
            data = Path(evaluation["data"]).name
            of_it = file.stem in (data, COSTS) or file.stem.startswith(f"{data}.")  # of a corpus
            if evaluation["split"] == "test" and of_it:
                found[evaluation["row"]] = _made_of(folder, entry)
    return found


def read_differences(file: Path) -> dict[str, Any]:
    """The report's intervals of a file's rows, and its differences to the reference.

    Args:
        file: as `read_provenance` takes it.

    Returns:
        ``{"compared": {"metric", "reference", "rows": {name: {"interval", ...}}}}``; nothing where
        no row has a difference.
    """
    if not file.with_name("index.json").is_file():
        return {}
    for section in sections_of([file.parent]):
        for table in section.tables:
            if table.split == "test" and file.stem in (table.data, COSTS):
                shown = show(section, table, RESAMPLES)
                rows = {row.name: _compared(row, shown.figure(row)) for row in shown.rows}
                if any("difference" in row for row in rows.values()):
                    about = {"metric": shown.metric, "reference": shown.reference}
                    return {"compared": {**about, "resamples": RESAMPLES, "rows": rows}}
    return {}


def _compared(row: ShownRow, figure: Cell) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if figure.interval is not None:
        found["interval"] = [_rounded(end) for end in figure.interval]
    if row.difference is not None:
        difference, low, high, p = map(_rounded, row.difference)
        found |= {"difference": difference, "difference_interval": [low, high], "p": p}
        found |= {"p_holm": _rounded(row.corrected), "settled": row.settled}
    return found


def _made_of(folder: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Of one row: where its seeds, or the folds of a cross-validation, differ, a list of each."""
    seeds = [folder / f"seed{number}" for number in range(1, int(entry["seeds"]) + 1)]
    runs = [run for seed in seeds for run in (seed, *sorted(folder.glob(f"fold*/{seed.name}")))]
    content = _one_or_all([_json(run / "run.json").get(CONTENT) for run in runs])
    return {
        "flags": " ".join(entry["flags"]),
        "data": {"name": Path(entry["data"]).name, CONTENT: content},
        "seeds": [int(seed.name.removeprefix("seed")) for seed in seeds],
        "valid": [figures(_json(seed / "valid.json")) for seed in seeds],
        "made_by": _one_or_all([_json(run / provenance.FILE) for run in runs]) or {},
    }


def _one_or_all(found: Sequence[Any]) -> Any:
    """What is there: the one value that all have, or a list of those that differ, or None."""
    there = [value for place, value in enumerate(found) if value and value not in found[:place]]
    return there if len(there) > 1 else next(iter(there), None)


def _json(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return loaded


def figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Of metrics what a table may show, to six decimals; NaN becomes None."""
    return {key: _rounded(metrics[key]) for key in KEPT if key in metrics}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(value, 6)
