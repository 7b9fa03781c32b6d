"""Rows that are read in blocks, each when one of its rows is first asked for.

A split of more than `SMALL` rows has ``{split}.index``: where every `BLOCK`-th row begins in its
files. So the split opens in the same time whatever its size, and a block is checked as strictly as
a whole file is, at its first use. Smaller splits have no index and are checked when they are
opened; so are those of older versions, and files that were edited since.
"""

import contextlib
import mmap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.array_files import read_npy
from mia_fairseq.errors import InputError

BLOCK = 256  # rows read at once
SMALL = 4096  # rows that are read whole when a split is opened
TABLE = "table"  # the index's column of bytes of {split}.tsv
LENGTHS, ITEMS = "{}.lengths", "{}.items"  # bytes of .lengths, and items, before a block

Marks = NDArray[np.int64]


class RowBlocks:
    """Which blocks of rows have been read.

    Args:
        rows: how many there are.
        read: reads and checks the blocks from a first one up to a last one, which is left out.
        at_once: blocks read at a time where all are wanted.
    """

    def __init__(self, rows: int, read: Callable[[int, int], None], at_once: int = 1) -> None:
        self._rows, self._read, self._at_once = rows, read, at_once
        self._there = np.zeros(-(-rows // BLOCK), np.bool_)
        self._all = False

    def need(self, rows: int | NDArray[np.int64] | Sequence[int]) -> None:
        """Reads the blocks of some rows where they have not been; rows count from the end too."""
        if self._all:
            return
        if np.size(rows) >= self._rows:
            self.need_all()
            return
        blocks = np.asarray(rows, np.int64) % self._rows // BLOCK
        for block in np.unique(blocks[~self._there[blocks]]).tolist():
            self._read(block, block + 1)
            self._there[block] = True

    def need_all(self) -> None:
        """Reads all that has not been read."""
        if self._all:
            return
        for first in range(0, len(self._there), self._at_once):
            last = min(first + self._at_once, len(self._there))
            if not self._there[first:last].all():
                self._read(first, last)
                self._there[first:last] = True
        self._all = True


def room(rows: int, dtype: type[np.generic]) -> NDArray[Any]:
    """(rows,) numbers that take memory where one is written, by small pages.

    NumPy would have the system give a huge page, and fill it with zeros, for each first number.
    """
    size = max(1, rows * np.dtype(dtype).itemsize)
    held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a system without huge pages
        held.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(held, dtype, rows)


class SplitIndex:
    """Where every `BLOCK`-th row of a split begins in its files, and where they end.

    Args:
        path: of the index; an absent one has no columns.
        rows: of the split.

    Raises:
        InputError: it cannot be read, or is not of so many rows.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.path, self.rows = path, rows
        mend = f"remove {path.name} to have the split read whole, or import the data again"
        try:
            self._marks = read_npy(path, mend, mapped=True)
        except FileNotFoundError:
            self._marks = np.zeros(0)
            return
        columns = self._marks.dtype.fields or {}
        kinds = {kind for kind, *_ in columns.values()}
        if kinds != {np.dtype("<i8")} or self._marks.shape != (-(-rows // BLOCK) + 1,):
            raise InputError(
                f"{path}: holds {self._marks.dtype} of shape {self._marks.shape}, expected whole "
                f"numbers of {rows} rows in blocks of {BLOCK}; {mend}"
            )

    def marks(self, column: str, size: int | None = None) -> Marks | None:
        """Where each block begins in a file, and its end; None where the file must be read whole.

        Args:
            column: which file.
            size: its bytes; where they differ from the index's, it has changed since.
        """
        if column not in (self._marks.dtype.names or ()):
            return None
        marks: Marks = self._marks[column]
        return marks if size is None or int(marks[-1]) == size else None

    def refuse(self, path: Path, first: int, last: int) -> InputError:
        """The sentence about a file whose blocks are not where the index has them."""
        begin, end = first * BLOCK, min(last * BLOCK, self.rows)
        return InputError(
            f"{path}: its rows {begin} to {end - 1} are not where {self.path.name} has them, so "
            f"one of both has changed since it was written; remove {self.path.name} to have the "
            "split read whole, or import the data again"
        )


class IndexWriter:
    """Notes where blocks begin while a split is written."""

    def __init__(self) -> None:
        self._lines: list[dict[str, int]] = []
        self.rows = 0

    def row(self, places: Callable[[], dict[str, int]]) -> None:
        """Before a row is written: ``places`` tells where each file stands, by column."""
        if self.rows % BLOCK == 0:
            self._lines.append(places())
        self.rows += 1

    def write(self, path: Path, ends: dict[str, int]) -> None:
        """Writes the index, of a split that is not small."""
        if self.rows <= SMALL:
            return
        lines = [*self._lines, ends]
        write_index(path, {name: np.array([line[name] for line in lines]) for name in ends})


def write_index(path: Path, columns: dict[str, Marks]) -> None:
    """Writes an index, of (blocks + 1,) marks by column."""
    marks = np.empty(len(next(iter(columns.values()))), [(name, "<i8") for name in columns])
    for name, values in columns.items():
        marks[name] = values
    with path.open("wb") as file:
        np.save(file, marks)
