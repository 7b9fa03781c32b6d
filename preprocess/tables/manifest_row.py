"""One row of a manifest, and what its cells may hold."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mia_fairseq.data.format.labels import FURTHER
from mia_fairseq.errors import InputError
from preprocess.media.clip import Clip
from preprocess.tables.same_names import one_name
from preprocess.tables.table_reader import read_number, read_whole

REQUIRED = ("id", "split", "label")
LONGEST_ID = 200  # bytes; a file's name may have 255, and a clip's array is first a .partial one


@dataclass(frozen=True)
class Row:
    """One utterance. An absent cell is an empty string, or None where it is a path or a number."""

    id: str
    split: str
    label: str
    path: Path | None = None
    text: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None
    position: int | None = None
    speaker: str | None = None
    fold: int | None = None
    corpus: str | None = None
    further: Mapping[str, str] = field(default_factory=dict)  # further labels by name

    def clip(self) -> Clip:
        """What extractors see of it."""
        return Clip(self.id, self.path, self.text, self.start, self.end)


def read_row(folder: Path, columns: Sequence[str], cells: Sequence[str]) -> Row:
    """The row of a line's cells.

    Args:
        folder: of the manifest, from which paths start.
        columns: their names.
        cells: of the line.

    Raises:
        InputError: a cell is not as its column wants it, without the table's name and the line.
    """
    if len(cells) != len(columns):
        raise InputError(f"it has {len(cells)} cells, the header {len(columns)}")
    cell = dict(zip(columns, cells, strict=True))
    size = len(cell["id"].encode())
    if size > LONGEST_ID or not re.fullmatch(r"[^./\\\x00][^/\\\x00]*", cell["id"]):
        raise InputError(
            f"id {cell['id']!r} cannot name a file: it has {size} bytes, expected 1 to "
            f"{LONGEST_ID} without slashes, the first no dot"
        )
    for column in ("split", "label"):
        if not cell[column].strip():
            raise InputError(f"its {column} is missing")
    start, end = _seconds(cell, "start"), _seconds(cell, "end")
    if end is not None and end <= (start or 0.0):
        raise InputError(f"it ends at {end:g} s, not after its start at {start or 0:g} s")
    return Row(
        id=cell["id"],
        split=cell["split"].strip(),
        label=cell["label"].strip(),
        path=folder / cell["path"] if cell.get("path") else None,
        text=cell.get("text"),
        start=start,
        end=end,
        group=one_name(cell.get("group", "")) or None,
        position=_whole(cell, "position"),
        speaker=one_name(cell.get("speaker", "")) or None,
        fold=_whole(cell, "fold"),
        corpus=cell.get("corpus") or None,
        further={
            column.removeprefix(FURTHER): text.strip()
            for column, text in cell.items()
            if column.startswith(FURTHER) and text.strip()
        },
    )


def _seconds(cell: dict[str, str], column: str) -> float | None:
    if not cell.get(column, "").strip():
        return None
    try:
        value = read_number(cell[column])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"its {column} is {cell[column]!r}, expected seconds from 0 on")
    return value


def _whole(cell: dict[str, str], column: str) -> int | None:
    if not cell.get(column, "").strip():
        return None
    try:
        return read_whole(cell[column])
    except ValueError as error:
        raise InputError(f"its {column} is {cell[column]!r}, expected a whole number") from error
