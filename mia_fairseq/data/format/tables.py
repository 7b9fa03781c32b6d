"""One modality's rows of one split, on disk: features, tokens and frames alike.

A row is a sequence of items (a vector, a token's id, a picture); the items of all rows lie one
after another. V items in all, T of a row.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.row_blocks import RowBlocks
from mia_fairseq.data.format.vectors import VectorFile, Vectors

Table = TypeVar("Table", bound="VectorTable")


class VectorTable:
    """One modality's rows: row i is ``vectors[offsets[i]:][:lengths[i]]``.

    Attributes:
        path: the file that the items came from, for messages.
        vectors: (V, dim) features or (V, side, side, 3) frames, read when they are asked for.
        own: (rows, 2) where a row is read among its neighbours (surroundings.py): the place of
            its second item, and how many of the items are its own; None where it stands alone.

    Args:
        path, vectors: as above.
        lengths: (rows,) items of each row; 0 where the modality is missing.
        offsets: (rows,) where each row starts; None: they lie one after another.
        blocks: what fills lengths and offsets when they are asked for; None: they are whole.
    """

    own: NDArray[np.int64] | None = None

    def __init__(
        self,
        path: Path,
        lengths: NDArray[np.int64],
        vectors: Vectors,
        offsets: NDArray[np.int64] | None = None,
        blocks: RowBlocks | None = None,
    ) -> None:
        self.path, self.vectors = path, vectors
        self._lengths, self._blocks = lengths, blocks
        self._offsets = np.cumsum(lengths) - lengths if offsets is None else offsets

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,) items of each row; 0 where the modality is missing. Reads those of all rows."""
        if self._blocks is not None:
            self._blocks.need_all()
        return self._lengths

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(rows,) where each row starts among the V. Reads those of all rows."""
        if self._blocks is not None:
            self._blocks.need_all()
        return self._offsets

    @property
    def ends(self) -> NDArray[np.int64]:
        """(rows,) where each row ends among the V."""
        return self.offsets + self.lengths

    def lengths_of(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """(B,) items of some rows."""
        return self._spans(rows)[1]

    def __getitem__(self, row: int) -> NDArray[Any]:
        start, length = self._spans(row)
        return self.vectors[int(start) : int(start) + int(length)]

    def single_items(self, rows: Sequence[int]) -> NDArray[Any] | None:
        """(B, 1, ...) of rows that are one item each; None where one is not, or must be made."""
        made = type(self).__getitem__ is not VectorTable.__getitem__
        if made or not isinstance(self.vectors, VectorFile):
            return None
        starts, lengths = self._spans(rows)
        return self.vectors.take(starts)[:, None] if (lengths == 1).all() else None

    def with_rows(
        self: Table, lengths: NDArray[np.int64], offsets: NDArray[np.int64] | None = None
    ) -> Table:
        """A table of the same items with other rows; by default they start where they did."""
        other = copy.copy(self)
        other._lengths = lengths
        other._offsets = self.offsets if offsets is None else offsets
        other._blocks = None
        return other

    @property
    def missing(self) -> int:
        """Rows without this modality."""
        return int((self.lengths == 0).sum())

    def _spans(
        self, rows: int | Sequence[int] | NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where some rows start, and their lengths."""
        if self._blocks is not None:
            self._blocks.need(rows)
        return self._offsets[rows], self._lengths[rows]


class TokenTable(VectorTable):
    """Token ids: ``vectors`` is (V,) of any integer type, a row (T,) int64."""

    def __getitem__(self, row: int) -> NDArray[np.int64]:
        return super().__getitem__(row).astype(np.int64)
