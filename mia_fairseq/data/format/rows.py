"""The table of a split, ``{split}.tsv``: its labels in memory, all else read when it is asked for.

Every row is checked: when the table is opened or, where there is an index, when one of its block
is first asked for. What stays is 16 bytes a row: the label, and where the row begins in the file.
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
from mia_fairseq.data.format.row_blocks import BLOCK, TABLE, Marks, RowBlocks, SplitIndex, room
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

    Args:
        path: the table: a header, then one row a line, cells apart by tabs; empty lines do not
            count.
        label: what its labels may be.
        further: what further labels may be, by name; in columns ``label.NAME``.
        index: where blocks of rows begin; None: the table is read whole now.

    Raises:
        InputError: the file is missing, it is no UTF-8, a column is missing, or a row has no id,
            a label that is none, or a position or fold that is no whole number; the line is named.
            With an index, of a row that is not read yet, when it is asked for.
    """

    _blocks: RowBlocks | None = None

    def __init__(
        self,
        path: Path,
        label: LabelSpec,
        further: Mapping[str, LabelSpec] | None = None,
        index: SplitIndex | None = None,
    ) -> None:
        self.path, self.label, self._specs = path, label, dict(further or {})
        check_is_no_device(path)
        try:
            with path.open("rb") as file:
                self._file = OpenFile(file, path)
                self._columns = self._read_header(file)
                marks = index.marks(TABLE, path.stat().st_size) if index else None
                if index is None or marks is None:
                    self._read_rows(file)
                else:
                    self._read_later(index, marks)
        except FileNotFoundError as error:
            raise InputError(f"{path}: is missing; import the data again") from error

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> NDArray[np.float64]:
        """(rows,) labels as numbers (see `LabelSpec`); every row is read and checked for it."""
        self._need()
        return self._labels

    @property
    def further(self) -> Mapping[str, NDArray[np.float64]]:
        """The same of each further label; NaN where a row has none."""
        self._need()
        return self._further

    def labels_of(self, rows: Sequence[int], further: str | None = None) -> NDArray[np.float64]:
        """(B,) labels of some rows, or one of their further labels."""
        self._need(rows)
        values = self._labels if further is None else self._further[further]
        return values[np.asarray(rows, np.int64)]

    def __getitem__(self, row: int) -> Utterance:
        place = range(len(self))[row]  # counts from the end too, and raises IndexError
        self._need([place])
        begin, end = map(int, self._begins[place : place + 2])
        cells = _cells(self._file.read(begin, end - begin))
        position, fold = (self._cell(cells, column) for column in WHOLE)
        return Utterance(
            id=self._cell(cells, "id") or "",
            label=float(self._labels[place]),
            text=self._cell(cells, "text"),
            group=self._cell(cells, "group"),
            position=None if position is None else int(position),
            speaker=self._cell(cells, "speaker"),
            fold=None if fold is None else int(fold),
            corpus=self._cell(cells, "corpus"),
            further={name: float(values[place]) for name, values in self._further.items()},
        )

    def __iter__(self) -> Iterator[Utterance]:
        return (self[row] for row in range(len(self)))

    def _need(self, rows: Sequence[int] | None = None) -> None:
        """Reads some rows, or all, where they have not been."""
        if self._blocks is not None:
            self._blocks.need_all() if rows is None else self._blocks.need(rows)

    def _cell(self, cells: Sequence[str], column: str) -> str | None:
        """What stands in a column; None where nothing does."""
        place = self._columns.get(column, len(cells))
        return (cells[place] or None) if place < len(cells) else None

    # Opening --------------------------------------------------------------------------------

    def _read_header(self, file: BinaryIO) -> dict[str, int]:
        header = self._decoded(file.readline(), 1)
        needed = ("id", "label", *(FURTHER + name for name in self._specs))
        absent = [column for column in needed if column not in header]
        if absent:
            raise InputError(f"{self.path}: has no column {absent[0]!r}; import the data again")
        return {column: place for place, column in enumerate(header)}

    def _read_rows(self, file: BinaryIO) -> None:
        """Checks every row, and keeps its label and its place."""
        labels, begins = array("d"), array("q")
        further = {name: array("d") for name in self._specs}
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
        self._labels, self._begins = np.array(labels), np.array(begins)
        self._further = {name: np.array(values) for name, values in further.items()}

    def _read_later(self, index: SplitIndex, marks: Marks) -> None:
        """Leaves rows for when they are asked for, but the last ones, so that all are there."""
        rows = index.rows
        self._index, self._marks = index, marks
        self._labels, self._begins = room(rows, np.float64), room(rows + 1, np.int64)
        self._further = {name: room(rows, np.float64) for name in self._specs}
        self._blocks = RowBlocks(rows, self._read_blocks)
        self._need([rows - 1])

    def _read_blocks(self, first: int, last: int) -> None:
        """Checks the rows of some blocks, and keeps their labels and places."""
        begin, end = int(self._marks[first]), int(self._marks[last])
        start, stop = first * BLOCK, min(last * BLOCK, len(self))
        if not 0 < begin < end <= self._marks[-1]:
            raise self._index.refuse(self.path, first, last)
        before, *lines = self._file.read(begin - 1, end - begin + 1).split(b"\n")
        if before or lines.pop() or len(lines) != stop - start or not all(lines):
            raise self._index.refuse(self.path, first, last)
        for row, data in enumerate(lines, start):
            cells = self._decoded(data, row + 2)
            self._labels[row] = self._checked_label(cells, row + 2)
            for name, values in self._further.items():
                values[row] = self._further_label(name, cells, row + 2)
        sizes = np.array([len(data) + 1 for data in lines])
        self._begins[start : stop + 1] = begin + np.concatenate([[0], np.cumsum(sizes)])

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
        return self._specs[name].parse(text, f"{self.path}, line {line}, {FURTHER}{name}")

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
