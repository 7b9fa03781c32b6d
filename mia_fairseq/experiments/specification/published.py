"""The paper's numbers, as an experiment's file has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FRACTIONS = ("acc", "f1", "weighted_f1", "macro_f1")  # printed by the paper in per cent


@dataclass(frozen=True)
class PaperTable:
    """Published numbers: row name -> column -> value, accuracies and F1 as fractions."""

    metric: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float | None]]


def published_table(table: Mapping[str, Any]) -> PaperTable:
    """Reads one table of the file's ``paper``."""
    columns = tuple(table["columns"])
    rows = {}
    for name, values in table["rows"].items():
        scaled = [_fraction(column, v) for column, v in zip(columns, values, strict=True)]
        rows[name] = dict(zip(columns, scaled, strict=True))
    return PaperTable(table["metric"], columns, rows)


def as_printed(table: PaperTable) -> dict[str, Any]:
    """A table as `published_table` reads it, in per cent where the paper prints it so."""
    rows = {
        name: [_percent(column, values[column]) for column in table.columns]
        for name, values in table.rows.items()
    }
    return {"metric": table.metric, "columns": list(table.columns), "rows": rows}


def _fraction(column: str, value: float | None) -> float | None:
    return round(value / 100, 6) if value is not None and column.startswith(FRACTIONS) else value


def _percent(column: str, value: float | None) -> float | None:
    return round(value * 100, 4) if value is not None and column.startswith(FRACTIONS) else value
