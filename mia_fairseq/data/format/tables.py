"""One modality's rows of one split, on disk: features, tokens and frames alike.

A row is a sequence of items (a vector, a token's id, a picture); the items of all rows lie one
after another. V items in all, T of a row.
"""

import copy
import logging
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.array_files import read_npy
from mia_fairseq.data.format.dictionary import check_dictionary, dictionary_path
from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.rows import RowTable
from mia_fairseq.data.format.vectors import VectorFile, Vectors
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_import import load_fairseq

logger = logging.getLogger(__name__)

Table = TypeVar("Table", bound="VectorTable")

IDX_HEADER = struct.Struct("<9sQBQ")  # of fairseq's .idx: magic, version, code of the dtype, rows
CHUNK = 1 << 20  # ids looked at at a time


class VectorTable:
    """One modality's rows: row i is ``vectors[offsets[i]:][:lengths[i]]``.

    Attributes:
        path: the file that the items came from, for messages.
        lengths: (rows,) items of each row; 0 where the modality is missing.
        offsets: (rows,) where each row starts.
        vectors: (V, dim) features or (V, side, side, 3) frames, read when they are asked for.
        own: (rows, 2) where a row is read among its neighbours (surroundings.py): the place of
            its second item, and how many of the items are its own; None where it stands alone.
    """

    own: NDArray[np.int64] | None = None

    def __init__(
        self,
        path: Path,
        lengths: NDArray[np.int64],
        vectors: Vectors,
        offsets: NDArray[np.int64] | None = None,
    ) -> None:
        self.path, self.lengths, self.vectors = path, lengths, vectors
        # Unless told otherwise, the rows lie one after another.
        self.offsets = np.cumsum(lengths) - lengths if offsets is None else offsets

    def __getitem__(self, row: int) -> NDArray[Any]:
        start = int(self.offsets[row])
        return self.vectors[start : start + int(self.lengths[row])]

    def single_items(self, rows: Sequence[int]) -> NDArray[Any] | None:
        """(B, 1, ...) of rows that are one item each; None where one is not, or must be made."""
        made = type(self).__getitem__ is not VectorTable.__getitem__
        if made or not isinstance(self.vectors, VectorFile) or (self.lengths[rows] != 1).any():
            return None
        return self.vectors.take(self.offsets[rows])[:, None]

    def with_rows(
        self: Table, lengths: NDArray[np.int64], offsets: NDArray[np.int64] | None = None
    ) -> Table:
        """A table of the same items with other rows; by default they start where they did."""
        other = copy.copy(self)
        other.lengths = lengths
        other.offsets = self.offsets if offsets is None else offsets
        return other

    @property
    def missing(self) -> int:
        """Rows without this modality."""
        return int((self.lengths == 0).sum())


class TokenTable(VectorTable):
    """Token ids: ``vectors`` is (V,) of any integer type, a row (T,) int64."""

    def __getitem__(self, row: int) -> NDArray[np.int64]:
        return super().__getitem__(row).astype(np.int64)


def open_table(
    folder: Path, split: str, modality: str, spec: "ModalitySpec", rows: RowTable
) -> VectorTable:
    """Opens one modality of a split on disk.

    Args:
        folder: DATA.
        split: its name.
        modality: its name.
        spec: what ``meta.json`` says of the modality.
        rows: of the split.

    Raises:
        InputError: a file is missing, truncated, or does not fit ``spec`` or the rows; a token
            is not in the dictionary.
    """
    stem = folder / f"{split}.{modality}"
    if spec.kind == "tokens":
        dictionary = dictionary_path(folder, modality)
        check_dictionary(dictionary, str(spec.extra["dictionary"]), spec.dim)
        return _open_tokens(stem, spec.dim, rows)
    path = stem.with_name(stem.name + ".npy")
    lengths = _read_lengths(stem.with_name(stem.name + ".lengths"), len(rows))
    return VectorTable(path, lengths, _open_items(path, int(lengths.sum()), spec))


def _read_lengths(path: Path, rows: int) -> NDArray[np.int64]:
    try:
        lengths = np.array(path.read_text().split(), dtype=np.int64)
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; import the data again") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}; expected one whole number a line") from error
    if len(lengths) != rows or (lengths < 0).any():
        raise InputError(
            f"{path}: has {len(lengths)} lengths for {rows} rows, expected one from 0 up for "
            "each; import the data again"
        )
    return lengths


def _open_items(path: Path, count: int, spec: "ModalitySpec") -> Vectors:
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


def _open_tokens(stem: Path, dim: int, rows: RowTable) -> TokenTable:
    path = stem.with_name(stem.name + ".bin")
    lengths, dtype = _read_index(stem.with_name(stem.name + ".idx"), len(rows))
    count = int(lengths.sum())
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; make the data again") from error
    if size != count * dtype.itemsize:
        raise InputError(
            f"{path}: has {size} bytes, its .idx says {count} tokens of {dtype}; it may be "
            "truncated; make the data again"
        )
    tokens: Vectors = np.empty(0, dtype)
    if count:
        tokens = VectorFile.of(np.memmap(path, dtype, mode="r"))
    for start in range(0, count, CHUNK):
        part = tokens[start : start + CHUNK]
        if int(part.max()) < dim and int(part.min()) >= 0:
            continue
        place = start + int(np.argmax((part >= dim) | (part < 0)))
        row = int(np.searchsorted(np.cumsum(lengths), place, side="right"))
        raise InputError(
            f"{path}: row {rows[row].id!r} holds the token {int(part[place - start])}, the "
            f"dictionary has 0 to {dim - 1}; make the tokens with this dictionary's tokenizer"
        )
    return TokenTable(path, lengths, tokens)


def _read_index(path: Path, rows: int) -> tuple[NDArray[np.int64], np.dtype[Any]]:
    """Lengths and dtype, by fairseq's own reader once the file is known to be whole."""
    load_fairseq()
    from fairseq.data.indexed_dataset import MMapIndexedDataset

    try:
        with path.open("rb") as file:
            head = file.read(IDX_HEADER.size)
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; make the data again") from error
    magic, version, _, entries = IDX_HEADER.unpack(head.ljust(IDX_HEADER.size, b"\0"))
    whole = IDX_HEADER.size + entries * (4 + 8)  # sizes, then where each entry starts
    if magic != MMapIndexedDataset.Index._HDR_MAGIC or version != 1:
        raise InputError(
            f"{path}: is no index of fairseq's mmap format; make it with preprocess.binarize, or "
            "fairseq-preprocess --dataset-impl mmap"
        )
    if path.stat().st_size != whole:
        raise InputError(f"{path}: has not {whole} bytes, it may be truncated; make it again")
    if entries != rows:
        raise InputError(f"{path}: has {entries} entries for {rows} rows; make the data again")
    try:
        index = MMapIndexedDataset.Index(str(path))
    except KeyError as error:
        raise InputError(f"{path}: holds no kind of number known; make the data again") from error
    dtype = np.dtype(index.dtype)
    if dtype.kind not in "iu":
        raise InputError(f"{path}: holds {dtype}, expected whole numbers; make the data again")
    return np.array(index.sizes, np.int64), dtype  # a copy: the index unmaps its file
