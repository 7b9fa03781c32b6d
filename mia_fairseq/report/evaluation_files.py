"""The results and predictions of one evaluation, checked as they are read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.files import check_is_no_device
from mia_fairseq.meter import RESULTS_FORMAT
from mia_fairseq.report.resampling.resampled_metrics import Predictions

KINDS = {
    **{"n": int, "corpus": str, "split": str, "f1": dict, "by_label": dict, "corpora": dict},
    **{"modalities": list, "confusion": list, "parts": dict, "folds": dict, "derived": dict},
}


def read_results(file: Path) -> dict[str, Any]:
    """Metrics as fairseq-validate writes them with ``--results-json``.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON, of another format, or a value is of another type.
    """
    check_is_no_device(file)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(found, dict) or found.get("format") != RESULTS_FORMAT:
        of = str(found.get("format"))[:40] if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"format {of}, this version reads {RESULTS_FORMAT}")
    for name, kind in KINDS.items():
        if name in found and type(found[name]) is not kind:
            raise ValueError(f"{name} is {str(found[name])[:40]!r}, expected {kind.__name__}")
    if found.get("n", 0) < 1:
        raise ValueError(f"n is {found.get('n')}, expected the number of rows")
    return found


def read_constant(file: Path) -> dict[str, Any] | None:
    """The metrics of one answer for every row, in ``EXPERIMENT/DATA.json``; None before they are.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON, or tells of it in other types.
    """
    if not file.exists():
        return None
    check_is_no_device(file)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError(f"it is a {type(found).__name__}, expected a table of rows")
    rows = found.get("constant", [{}])
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        raise ValueError(f"it is {str(rows)[:40]}, expected the metrics of one row")
    words = [name for name, one in rows[0].items() if isinstance(one, str)]
    if words:
        raise ValueError(f"{words[0]} is {rows[0][words[0]][:40]!r}, expected a number")
    return rows[0] or None


def read_predictions(file: Path, *, several: bool = False) -> tuple[Predictions | None, str]:
    """The rows of a predictions table, or None and what is wrong.

    Args:
        file: as fairseq-validate writes it with ``--predictions``.
        several: whether any number of labels may stand in a cell.
    """
    try:
        check_is_no_device(file)
        text = file.read_text(encoding="utf-8").replace("\r\n", "\n")
        header, *lines = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
        if header[:3] != ["id", "label", "prediction"] or len(set(header)) < len(header):
            raise ValueError(f"columns {str(header)[:60]}")
        uneven = [place for place, line in enumerate(lines, 2) if len(line) != len(header)]
        if uneven or not lines:
            where = f"line {uneven[0]} has not {len(header)} cells" if uneven else "no rows"
            raise ValueError(where)
        classes = tuple(name.removeprefix("p_") for name in header if name.startswith("p_"))
        ids = tuple(line[0] for line in lines)
        if not all(ids) or len(set(ids)) < len(ids):
            raise ValueError("an id is empty or stands twice")
        columns = ([line[i] for line in lines] for i in (1, 2))
        truth, prediction = (_column(cells, classes, several=several) for cells in columns)
    except FileNotFoundError:
        return None, f"{file.name} is missing"
    except (OSError, ValueError) as error:
        return None, f"{file.name} cannot be read ({str(error)[:200]})"
    place = header.index("group") if "group" in header else None
    groups = () if place is None else tuple(line[place] for line in lines)
    return Predictions(ids, truth, prediction, classes, groups, several), ""


def _column(cells: list[str], classes: tuple[str, ...], *, several: bool) -> NDArray[np.float64]:
    if several:
        spec = LabelSpec("multilabel", names=classes)
        return np.array([spec.parse(cell, "a row") for cell in cells], np.float64)
    read = classes.index if classes else float
    numbers = np.array([read(cell) for cell in cells], np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("a label or a prediction is no finite number")
    return numbers
