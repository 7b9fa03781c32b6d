"""Opens the files of one modality of a split; tables.py has what comes of it.

V items in all.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.array_files import read_npy
from mia_fairseq.data.format.dictionary import check_dictionary, dictionary_path
from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.row_blocks import (
    BLOCK,
    ITEMS,
    LENGTHS,
    RowBlocks,
    SplitIndex,
    room,
)
from mia_fairseq.data.format.rows import RowTable
from mia_fairseq.data.format.tables import VectorTable
from mia_fairseq.data.format.token_files import open_tokens
from mia_fairseq.data.format.vectors import OpenFile, VectorFile, Vectors
from mia_fairseq.errors import InputError

AT_ONCE = 1 << 12  # blocks of lengths read at a time where all are wanted
DIGITS = 18  # of the longest number that int64 holds for sure


def open_table(
    folder: Path,
    split: str,
    modality: str,
    spec: ModalitySpec,
    rows: RowTable,
    index: SplitIndex,
) -> VectorTable:
    """Opens one modality of a split on disk.

    Args:
        folder: DATA.
        split: its name.
        modality: its name.
        spec: what ``meta.json`` says of the modality.
        rows: of the split.
        index: where blocks of rows begin.

    Raises:
        InputError: a file is missing, truncated, or does not fit ``spec`` or the rows; a token
            is not in the dictionary. What lies in a block is checked when it is asked for.
    """
    stem = folder / f"{split}.{modality}"
    if spec.kind == "tokens":
        dictionary = dictionary_path(folder, modality)
        check_dictionary(dictionary, str(spec.extra["dictionary"]), spec.dim)
        return open_tokens(stem, spec.dim, rows)
    path = stem.with_name(stem.name + ".npy")
    lengths = LengthsFile(stem.with_name(stem.name + ".lengths"), modality, len(rows), index)
    vectors = _open_items(path, lengths.total, spec)
    return VectorTable(path, lengths.lengths, vectors, lengths.offsets, lengths.blocks)


class LengthsFile:
    """``{split}.{modality}.lengths``, read whole, or block by block where there is an index.

    Attributes:
        lengths, offsets: (rows,) of `VectorTable`; filled by ``blocks``, where those are.
        total: V.
        blocks: what has been read; None: all.
    """

    blocks: RowBlocks | None = None

    def __init__(self, path: Path, modality: str, rows: int, index: SplitIndex) -> None:
        self.path, self._index = path, index
        items = index.marks(ITEMS.format(modality))
        try:
            with path.open("rb") as file:
                self._file = OpenFile(file, path)
            marks = index.marks(LENGTHS.format(modality), path.stat().st_size)
        except FileNotFoundError as error:
            raise InputError(f"{path}: is missing; import the data again") from error
        if marks is None or items is None:
            self.lengths = _read_lengths(path, rows)
            self.total = int(self.lengths.sum())
            self.offsets = np.cumsum(self.lengths) - self.lengths
            return
        self._marks, self._items, self.total = marks, items, int(items[-1])
        self.lengths, self.offsets = room(rows, np.int64), room(rows, np.int64)
        self.blocks = RowBlocks(rows, self._read, AT_ONCE)
        self.blocks.need(rows - 1)

    def _read(self, first: int, last: int) -> None:
        begin, end = int(self._marks[first]), int(self._marks[last])
        items, stop = int(self._items[first]), int(self._items[last])
        place = slice(first * BLOCK, min(last * BLOCK, len(self.lengths)))
        found = None
        if 0 <= begin < end <= self._marks[-1]:
            found = whole_numbers(self._file.read(begin, end - begin))
        wanted = place.stop - place.start
        if found is None or len(found) != wanted or items + int(found.sum()) != stop or items < 0:
            raise self._index.refuse(self.path, first, last)
        self.lengths[place] = found
        self.offsets[place] = items + np.cumsum(found) - found


def whole_numbers(text: bytes) -> NDArray[np.int64] | None:
    """The numbers of a text of digits alone, one a line; None where it is none such."""
    codes = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    sizes = np.diff(ends, prepend=-1) - 1
    digits = codes - np.uint8(ord("0"))  # below 0 becomes large
    if not len(ends) or ends[-1] != len(codes) - 1 or not 1 <= sizes.min() <= sizes.max() <= DIGITS:
        return None
    if (digits > 9).sum() != len(ends):
        return None
    numbers = np.zeros(len(ends), np.int64)
    for place in range(int(sizes.max())):
        there = sizes > place
        numbers[there] += digits[ends[there] - 1 - place].astype(np.int64) * 10**place
    return numbers


def _read_lengths(path: Path, rows: int) -> NDArray[np.int64]:
    found = whole_numbers(path.read_bytes())
    try:
        lengths = np.array(path.read_text().split(), np.int64) if found is None else found
    except ValueError as error:
        raise InputError(f"{path}: {error}; expected one whole number a line") from error
    if len(lengths) != rows or (lengths < 0).any():
        raise InputError(
            f"{path}: has {len(lengths)} lengths for {rows} rows, expected one from 0 up for "
            "each; import the data again"
        )
    return lengths


def _open_items(path: Path, count: int, spec: ModalitySpec) -> Vectors:
    kind = KINDS[spec.kind]
    try:
        if count == 0:  # nothing to read: the modality is missing in every row
            return np.empty((0, *spec.item_shape), kind.extracted[0])
        vectors = read_npy(path, "it may be truncated; import the data again", mapped=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; import the data again") from error
    if vectors.shape[1:] != spec.item_shape:
        raise InputError(
            f"{path}: has shape {vectors.shape}, meta.json says dim {spec.dim}; "
            "import the data again"
        )
    if vectors.dtype.name not in kind.extracted:
        raise InputError(
            f"{path}: holds {vectors.dtype}, expected {' or '.join(kind.extracted)}; "
            "import the data again"
        )
    if not vectors.flags.c_contiguous:
        raise InputError(
            f"{path}: is stored column by column (Fortran order), expected row by row; "
            "import the data again"
        )
    if len(vectors) != count:
        raise InputError(
            f"{path}: has {len(vectors)} vectors, its .lengths add up to "
            f"{count}; import the data again"
        )
    return VectorFile.of(vectors)
