"""Writes the files of one split of ``DATA/``, row by row; store_writer.py has the folder."""

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.data.format.labels import FURTHER, LabelSpec, one_line
from mia_fairseq.data.format.modality_spec import ModalitySpec, checked_row
from mia_fairseq.data.format.row_blocks import ITEMS, LENGTHS, TABLE, IndexWriter
from mia_fairseq.data.format.store import FURTHER_COLUMNS, Utterance
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_import import load_fairseq


class Digest(Protocol):
    """A running hash, such as hashlib's."""

    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class StoreSettings:
    """What all splits of a folder share.

    Attributes:
        path: of ``DATA/``, for messages.
        label: kind of label.
        modalities: the specification of each.
        dtype: of features on disk.
        columns: of the tables.
        further_labels: kinds of further labels, by name.
    """

    path: Path
    label: LabelSpec
    modalities: Mapping[str, ModalitySpec]
    dtype: np.dtype[Any]
    columns: tuple[str, ...]
    further_labels: Mapping[str, LabelSpec] = field(default_factory=dict)

    def stored_dtype(self, modality: str) -> np.dtype[Any]:
        """In which type the rows of a modality are handed to its file."""
        kind = self.modalities[modality].kind
        return self.dtype if kind == "features" else np.dtype(KINDS[kind].extracted[0])


class SplitWriter:
    """The open files of one split."""

    def __init__(self, folder: Path, split: str, store: StoreSettings, content: Digest) -> None:
        self.split, self.store, self.content = split, store, content
        self.rows = 0
        self.missing: Counter[str] = Counter()
        self._index, self._index_path = IndexWriter(), folder / f"{split}.index"
        self._table = CountedFile(folder / f"{split}.tsv")
        self._lines = csv.writer(
            self._table, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
        )
        self._lines.writerow(store.columns)
        self._files: dict[str, ArrayFile | TokenFile] = {}
        for name, spec in store.modalities.items():
            stem = folder / f"{split}.{name}"
            self._files[name] = (
                TokenFile(stem, spec)
                if spec.kind == "tokens"
                else ArrayFile(stem, spec, store.stored_dtype(name))
            )

    def add(self, row: Utterance, features: Mapping[str, NDArray[Any] | None]) -> None:
        where = f"{self.store.path}: row {row.id!r} of {self.split}"
        arrays = {
            name: checked_row(name, spec, features.get(name), self.store.stored_dtype(name), where)
            for name, spec in self.store.modalities.items()
        }
        line = self._line(row, where)
        self._index.row(self._places)
        self._lines.writerow(line)
        self.rows += 1
        lengths = [len(array) for array in arrays.values()]
        self.content.update(json.dumps([self.split, *line, *lengths]).encode())
        for name, array in arrays.items():
            self._files[name].append(array)
            self.content.update(array.tobytes())
            self.missing[name] += not len(array)

    def _line(self, row: Utterance, where: str) -> list[str]:
        """The cells of a row, as the table and the hash of the content have them."""
        for column in FURTHER_COLUMNS:
            if getattr(row, column) is not None and column not in self.store.columns:
                raise InputError(f"{where} has a {column}, and the table no such column")
        cells = {**vars(row), "label": self.store.label.format(row.label)}
        for name, spec in self.store.further_labels.items():
            value = row.further.get(name, math.nan)
            cells[FURTHER + name] = None if math.isnan(value) else spec.format(value)
        return [
            "" if cells[column] is None else one_line(cells[column])
            for column in self.store.columns
        ]

    def _places(self) -> dict[str, int]:
        """Where each file stands, as the index has it."""
        places = {TABLE: self._table.size}
        for name, file in self._files.items():
            if isinstance(file, ArrayFile):
                places[LENGTHS.format(name)] = file.lengths.size
                places[ITEMS.format(name)] = file.total
        return places

    def close(self) -> None:
        self._table.close()
        for file in self._files.values():
            file.close()
        self._index.write(self._index_path, self._places())
        self.missing = +self.missing


class CountedFile:
    """A text file in UTF-8 that knows how many bytes were written.

    Args:
        path: where to.
    """

    def __init__(self, path: Path) -> None:
        self._file, self.size = path.open("wb"), 0

    def write(self, text: str) -> None:
        self.size += self._file.write(text.encode())

    def close(self) -> None:
        self._file.close()


class ArrayFile:
    """``.npy`` and ``.lengths`` of one modality, written row by row."""

    def __init__(self, stem: Path, spec: ModalitySpec, dtype: np.dtype[Any]) -> None:
        self.dtype, self.item_shape, self.total = dtype, spec.item_shape, 0
        self._array = stem.with_name(stem.name + ".npy").open("wb")
        self.lengths = CountedFile(stem.with_name(stem.name + ".lengths"))
        self._write_header()

    def append(self, row: NDArray[Any]) -> None:
        self._array.write(row.tobytes())
        self.lengths.write(f"{len(row)}\n")
        self.total += len(row)

    def _write_header(self) -> None:
        # NumPy leaves room in the header for the first axis to grow, so that it can be
        # written again in place when the number of items is known.
        np.lib.format.write_array_header_1_0(
            self._array,
            {
                "descr": np.lib.format.dtype_to_descr(self.dtype),
                "fortran_order": False,
                "shape": (self.total, *self.item_shape),
            },
        )

    def close(self) -> None:
        self._array.seek(0)
        self._write_header()
        self._array.close()
        self.lengths.close()


class TokenFile:
    """``.bin`` and ``.idx`` of one modality, by fairseq's own builder."""

    def __init__(self, stem: Path, spec: ModalitySpec) -> None:
        load_fairseq()
        from fairseq.data.indexed_dataset import MMapIndexedDatasetBuilder, best_fitting_int_dtype

        self._index = str(stem.with_name(stem.name + ".idx"))
        self._builder = MMapIndexedDatasetBuilder(
            str(stem.with_name(stem.name + ".bin")), dtype=best_fitting_int_dtype(spec.dim)
        )

    def append(self, row: NDArray[Any]) -> None:
        import torch

        self._builder.add_item(torch.from_numpy(row))

    def close(self) -> None:
        self._builder.finalize(self._index)
