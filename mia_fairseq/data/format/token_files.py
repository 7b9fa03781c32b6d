"""Opens the tokens of one modality of a split: fairseq's ``.bin`` and ``.idx``.

V tokens in all.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.row_blocks import BLOCK, SMALL, RowBlocks, room
from mia_fairseq.data.format.rows import RowTable
from mia_fairseq.data.format.tables import TokenTable
from mia_fairseq.data.format.vectors import OpenFile, VectorFile
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_import import load_fairseq

IDX_HEADER = struct.Struct("<9sQBQ")  # of fairseq's .idx: magic, version, code of the dtype, rows
CHUNK = 1 << 20  # tokens that are looked at when they are opened
AT_ONCE = 1 << 12  # blocks of rows read at a time where all are wanted


class CheckedTokens(VectorFile):
    """(V,) tokens on disk, each held against the dictionary when it is read.

    Attributes:
        dim: ids of the dictionary.
        id_at: the id of the row that a token stands in, for the sentence.
    """

    dim: int
    id_at: Callable[[int], str]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        tokens = super().__getitem__(rows)
        if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.dim:
            place = int(np.argmax((tokens >= self.dim) | (tokens < 0)))
            row = self.id_at(rows.indices(len(self))[0] + place)
            raise InputError(
                f"{self.file.name}: row {row!r} holds the token {int(tokens[place])}, the "
                f"dictionary has 0 to {self.dim - 1}; make the tokens with this dictionary's "
                "tokenizer"
            )
        return tokens


def open_tokens(stem: Path, dim: int, rows: RowTable) -> TokenTable:
    """Opens ``{stem}.bin`` by ``{stem}.idx``.

    Args:
        stem: ``DATA/{split}.{modality}``.
        dim: ids of the dictionary.
        rows: of the split.

    Raises:
        InputError: a file is missing, truncated, no index of fairseq's, or of other rows; or, of
            few tokens now and of many when they are read, one is not in the dictionary.
    """
    path = stem.with_name(stem.name + ".bin")
    index = TokenIndex(stem.with_name(stem.name + ".idx"), len(rows))
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; make the data again") from error
    if size != index.total * index.dtype.itemsize:
        raise InputError(
            f"{path}: has {size} bytes, its .idx says {index.total} tokens of {index.dtype}; it "
            "may be truncated; make the data again"
        )
    if not index.total:
        return TokenTable(path, index.lengths, np.empty(0, index.dtype), index.offsets)
    tokens = cast(CheckedTokens, CheckedTokens.of(np.memmap(path, index.dtype, mode="r")))
    table = TokenTable(path, index.lengths, tokens, index.offsets, index.blocks)
    tokens.dim = dim
    tokens.id_at = lambda place: rows[int(np.searchsorted(table.ends, place, side="right"))].id
    if index.total <= CHUNK:  # larger ones are checked as they are read
        tokens[:]
    return table


class TokenIndex:
    """fairseq's ``.idx``: how many tokens each row has, and where they begin in the ``.bin``.

    Attributes:
        dtype: of the tokens.
        lengths, offsets: (rows,), filled by ``blocks``.
        total: V.
    """

    def __init__(self, path: Path, rows: int) -> None:
        load_fairseq()
        from fairseq.data.indexed_dataset import MMapIndexedDataset
        from fairseq.data.indexed_dataset import _code_to_dtype as dtypes

        self.path, self._rows = path, rows
        try:
            with path.open("rb") as file:
                head = file.read(IDX_HEADER.size)
                self._file = OpenFile(file, path)
        except FileNotFoundError as error:
            raise InputError(f"{path}: is missing; make the data again") from error
        magic, version, code, entries = IDX_HEADER.unpack(head.ljust(IDX_HEADER.size, b"\0"))
        whole = IDX_HEADER.size + entries * (4 + 8)  # sizes, then where each entry begins
        if magic != MMapIndexedDataset.Index._HDR_MAGIC or version != 1:
            raise InputError(
                f"{path}: is no index of fairseq's mmap format; make it with preprocess.binarize, "
                "or fairseq-preprocess --dataset-impl mmap"
            )
        if path.stat().st_size != whole:
            raise InputError(f"{path}: has not {whole} bytes, it may be truncated; make it again")
        if entries != rows:
            raise InputError(f"{path}: has {entries} entries for {rows} rows; make the data again")
        if code not in dtypes:
            raise InputError(f"{path}: holds no kind of number known; make the data again")
        self.dtype: np.dtype[Any] = np.dtype(dtypes[code])
        if self.dtype.kind not in "iu":
            raise InputError(
                f"{path}: holds {self.dtype}, expected whole numbers; make the data again"
            )
        self.lengths, self.offsets = room(rows, np.int64), room(rows, np.int64)
        self.blocks = RowBlocks(rows, self._read, AT_ONCE)
        if rows <= SMALL:
            self.blocks.need_all()
        self.blocks.need(rows - 1)
        self.total = int(self.offsets[-1] + self.lengths[-1])

    def _read(self, first: int, last: int) -> None:
        start, stop = first * BLOCK, min(last * BLOCK, self._rows)
        sizes = self._numbers(start, stop, np.dtype("<i4"), IDX_HEADER.size)
        begins = IDX_HEADER.size + 4 * self._rows
        more = min(stop + 1, self._rows)  # where the next row begins, if there is one
        places = self._numbers(start, more, np.dtype("<i8"), begins)
        ends = places[: stop - start] + sizes.astype(np.int64) * self.dtype.itemsize
        first_is_first = start > 0 or places[0] == 0
        if (sizes < 0).any() or (ends[: len(places) - 1] != places[1:]).any() or not first_is_first:
            raise InputError(
                f"{self.path}: its rows {start} to {stop - 1} do not lie one after another; make "
                "the data again"
            )
        self.lengths[start:stop] = sizes
        self.offsets[start:stop] = places[: stop - start] // self.dtype.itemsize

    def _numbers(
        self, start: int, stop: int, dtype: np.dtype[Any], begin: int
    ) -> NDArray[np.signedinteger[Any]]:
        size = dtype.itemsize
        data = self._file.read(begin + start * size, (stop - start) * size)
        return np.frombuffer(data, dtype)
