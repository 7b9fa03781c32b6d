"""The table of a split, ``{split}.tsv``: its labels in memory, all else read when it is asked for.

Every row is checked when the table is opened. What stays is 16 bytes a row: the label, and where
the row begins in the file.
"""

import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.labels import FURTHER, LabelSpec
from mia_fairseq.data.format.vectors import OpenFile
from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device

NUMBER = re.compile(r"-?[0-9]+")
WHOLE = ("position", "fold")  # columns of whole numbers


@dataclass(frozen=True)
class Utterance:
    """One row of a split, without its features.

    Attributes:
        id: its name, of its own within the corpus.
        label: its score, or the index of its class.
        text: its words.
        group: the video, the dialogue or the actor that it belongs to.
        position: its place within the group.
        speaker: who speaks.
        fold: the part of a cross-validation that it is tested in (see folds.py).
        corpus: where it comes from, in a DATA that was united from several.
        further: its further labels by name, such as of one modality; NaN where not known.
    """

    id: str
    label: float
    text: str | None = None
    group: str | None = None
    position: int | None = None
    speaker: str | None = None
    fold: int | None = None
    corpus: str | None = None
    further: Mapping[str, float] = field(default_factory=dict)


class RowTable:
    """The utterances of one split, in the order of its table.

    Attributes:
        labels: (rows,) labels as numbers (see `LabelSpec`).
        further: the same of each further label; NaN where a row has none.

    Args:
        path: the table: a header, then one row a line, cells apart by tabs; empty lines do not
            count.
        label: what its labels may be.
        further: what further labels may be, by name; in columns ``label.NAME``.

    Raises:
        InputError: the file is missing, it is no UTF-8, a column is missing, or a row has no id,
            a label that is none, or a position or fold that is no whole number; the line is named.
    """

    labels: NDArray[np.float64]

    further: Mapping[str, NDArray[np.float64]]

    def __init__(
        self, path: Path, label: LabelSpec, further: Mapping[str, LabelSpec] | None = None
    ) -> None:
        self.path, self.label, self._further = path, label, dict(further or {})
        check_is_no_device(path)
        try:
            with path.open("rb") as file:
                self._file = OpenFile(file, path)
                self._columns = self._read_header(file)
                self._read_rows(file)
        except FileNotFoundError as error:
            raise InputError(f"{path}: is missing; import the data again") from error

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Utterance:
        place = range(len(self))[row]  # counts from the end too, and raises IndexError
        begin, end = map(int, self._begins[place : place + 2])
        cells = _cells(self._file.read(begin, end - begin))
        position, fold = (self._cell(cells, column) for column in WHOLE)
        return Utterance(
            id=self._cell(cells, "id") or "",
            label=float(self.labels[place]),
            text=self._cell(cells, "text"),
            group=self._cell(cells, "group"),
            position=None if position is None else int(position),
            speaker=self._cell(cells, "speaker"),
            fold=None if fold is None else int(fold),
            corpus=self._cell(cells, "corpus"),
            further={name: float(values[place]) for name, values in self.further.items()},
        )

    def __iter__(self) -> Iterator[Utterance]:
        return (self[row] for row in range(len(self)))

    def _cell(self, cells: Sequence[str], column: str) -> str | None:
        """What stands in a column; None where nothing does."""
        place = self._columns.get(column, len(cells))
        return (cells[place] or None) if place < len(cells) else None

    # Opening --------------------------------------------------------------------------------

    def _read_header(self, file: BinaryIO) -> dict[str, int]:
        header = self._decoded(file.readline(), 1)
        needed = ("id", "label", *(FURTHER + name for name in self._further))
        absent = [column for column in needed if column not in header]
        if absent:
            raise InputError(f"{self.path}: has no column {absent[0]!r}; import the data again")
        return {column: place for place, column in enumerate(header)}

    def _read_rows(self, file: BinaryIO) -> None:
        """Checks every row, and keeps its label and its place."""
        labels, begins = array("d"), array("q")
        further = {name: array("d") for name in self._further}
        begin = file.tell()
        for line, data in enumerate(file, 2):
            cells = self._decoded(data, line)
            if cells != [""]:
                labels.append(self._checked_label(cells, line))
                for name, values in further.items():
                    values.append(self._further_label(name, cells, line))
                begins.append(begin)
            begin += len(data)
        begins.append(begin)
        self.labels, self._begins = np.array(labels), np.array(begins)
        self.further = {name: np.array(values) for name, values in further.items()}

    def _decoded(self, data: bytes, line: int) -> list[str]:
        try:
            return _cells(data)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path}, line {line}: is no UTF-8 ({error}); import the data again"
            ) from error

    def _further_label(self, name: str, cells: Sequence[str], line: int) -> float:
        text = self._cell(cells, FURTHER + name)
        if text is None:
            return math.nan
        return self._further[name].parse(text, f"{self.path}, line {line}, {FURTHER}{name}")

    def _checked_label(self, cells: Sequence[str], line: int) -> float:
        where = f"{self.path}, line {line}"
        row_id, label = self._cell(cells, "id"), self._cell(cells, "label")
        if row_id is None or label is None:
            raise InputError(f"{where}: id or label is empty; import the data again")
        for column in WHOLE:
            number = self._cell(cells, column)
            if number is not None and not NUMBER.fullmatch(number):
                raise InputError(f"{where}: {column} {number!r} is no whole number")
        return self.label.parse(label, f"{where} (row {row_id!r})")


def _cells(line: bytes) -> list[str]:
    return line.decode().rstrip("\r\n").split("\t")
