"""Writes ``DATA/``, the format that store.py describes and reads."""

import csv
import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.dictionary import check_dictionary, dictionary_path
from mia_fairseq.data.format.kinds import DTYPES, KINDS
from mia_fairseq.data.format.labels import LabelSpec, one_line
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import COLUMNS, FORMAT, FURTHER_COLUMNS, Utterance
from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)


class StoreWriter:
    """Writes ``DATA/`` row by row under a temporary name and moves it into place at the end.

    Use it as a context manager; leaving it by an exception leaves no ``DATA/`` behind. An
    existing ``DATA/`` is replaced in the last moment, any other folder is refused.

    Args:
        path: of ``DATA/``.
        corpus: its name.
        label: kind of label.
        modalities: the specification of each.
        dtype: of features on disk.
        dictionaries: the text of each token modality's dictionary (see dictionary.py).
        further: which of `FURTHER_COLUMNS` the tables have; a row that fills another is refused.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        corpus: str,
        label: LabelSpec,
        modalities: Mapping[str, ModalitySpec],
        dtype: str = "float32",
        dictionaries: Mapping[str, str] | None = None,
        further: Iterable[str] = (),
    ) -> None:
        self.path = Path(path)
        self.columns = (*COLUMNS, *(name for name in FURTHER_COLUMNS if name in set(further)))
        self.corpus, self.label, self.modalities = corpus, label, dict(modalities)
        self.dictionaries = dict(dictionaries or {})
        if not self.modalities:
            raise InputError(f"{self.path}: no modality was given, expected one or more")
        for name in self.modalities:
            if not name.isidentifier():
                raise InputError(
                    f"{self.path}: modality name {name!r} must be letters, digits and underscores"
                )
            if self.modalities[name].kind == "tokens" and name not in self.dictionaries:
                raise InputError(
                    f"{self.path}: {name} has tokens and no dictionary; give its dict.txt"
                )
        if dtype not in DTYPES:
            raise InputError(f"dtype is {dtype!r}, expected one of {', '.join(DTYPES)}")
        self.dtype = np.dtype(dtype)  # of features
        replaceable = (self.path / "meta.json").is_file() or (
            self.path.is_dir() and not any(self.path.iterdir())
        )
        if self.path.exists() and not replaceable:
            raise InputError(
                f"{self.path}: is there already and is no DATA folder; name another --out"
            )
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._splits: dict[str, _SplitWriter] = {}
        self.content = hashlib.sha256()  # of all rows, as they come

    def __enter__(self) -> "StoreWriter":
        shutil.rmtree(self._partial, ignore_errors=True)  # what a killed run left
        self._partial.mkdir(parents=True)
        return self

    def add(self, split: str, row: Utterance, features: Mapping[str, NDArray[Any] | None]) -> None:
        """Appends one utterance.

        Args:
            split: ``train``, ``valid``, ``test`` or a name of the user's own.
            row: the utterance; its id, its runs of whitespace made single spaces, is unique within
                the corpus.
            features: (T, dim) or (dim,) for each modality of features, (T,) of tokens,
                (T, side, side, 3) of frames; None or T = 0 where it is missing.

        Raises:
            InputError: an unknown modality, a wrong shape, NaN or Inf, a token that the dictionary
                does not have, an empty id, or one seen before.
        """
        if split not in self._splits:
            if not split.replace("-", "_").isidentifier():
                raise InputError(
                    f"{row.id}: split {split!r} must be letters, digits, underscores and hyphens"
                )
            self._splits[split] = _SplitWriter(self._partial, split, self)
        row = replace(row, id=one_line(row.id))
        if not row.id:
            raise InputError(f"{self.path}: a row of {split} has an empty id; give it a name")
        for name, other in self._splits.items():
            if row.id in other.ids:
                raise InputError(
                    f"{self.path}: id {row.id!r} stands in {name} already and again in {split}; "
                    "ids must be unique"
                )
        unknown = sorted(set(features) - set(self.modalities))
        if unknown:
            raise InputError(f"{self.path}: row {row.id!r} has unknown modality {unknown[0]!r}")
        self._splits[split].add(row, features)

    def stored_dtype(self, modality: str) -> np.dtype[Any]:
        """In which type the rows of a modality are handed to its file."""
        kind = self.modalities[modality].kind
        return self.dtype if kind == "features" else np.dtype(KINDS[kind].extracted[0])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for split in self._splits.values():
                split.close()
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def _finish(self) -> None:
        if not self._splits:
            raise InputError(f"{self.path}: no row was given, nothing is written")
        meta = {
            "format": FORMAT,
            "corpus": self.corpus,
            "label": self.label.to_json(),
            "modalities": {name: spec.to_json() for name, spec in self.modalities.items()},
            "splits": {name: len(split.ids) for name, split in self._splits.items()},
            "content_sha256": self.content.hexdigest(),
        }
        (self._partial / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
        for modality, text in self.dictionaries.items():
            path = dictionary_path(self._partial, modality)
            path.write_text(text, encoding="utf-8")
            spec = self.modalities[modality]
            check_dictionary(path, str(spec.extra["dictionary"]), spec.dim)
        for name, split in self._splits.items():
            for modality, count in split.missing.items():
                logger.warning(
                    "%s: %s is missing for %d of %d rows", name, modality, count, len(split.ids)
                )
        retired = self.path.with_name(self.path.name + ".retired")
        shutil.rmtree(retired, ignore_errors=True)
        if self.path.exists():
            self.path.rename(retired)
        self._partial.rename(self.path)
        shutil.rmtree(retired, ignore_errors=True)


class _SplitWriter:
    """The open files of one split."""

    def __init__(self, folder: Path, split: str, store: StoreWriter) -> None:
        self.split, self.store = split, store
        self.ids: set[str] = set()
        self.missing: Counter[str] = Counter()
        self._table = (folder / f"{split}.tsv").open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(
            self._table, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
        )
        self._rows.writerow(store.columns)
        self._files: dict[str, _ArrayFile | _TokenFile] = {}
        for name, spec in store.modalities.items():
            stem = folder / f"{split}.{name}"
            self._files[name] = (
                _TokenFile(stem, spec)
                if spec.kind == "tokens"
                else _ArrayFile(stem, spec, store.stored_dtype(name))
            )

    def add(self, row: Utterance, features: Mapping[str, NDArray[Any] | None]) -> None:
        where = f"{self.store.path}: row {row.id!r} of {self.split}"
        arrays = {
            name: checked_row(name, spec, features.get(name), self.store.stored_dtype(name), where)
            for name, spec in self.store.modalities.items()
        }
        line = self._line(row, where)
        self._rows.writerow(line)
        self.ids.add(row.id)
        lengths = [len(array) for array in arrays.values()]
        self.store.content.update(json.dumps([self.split, *line, *lengths]).encode())
        for name, array in arrays.items():
            self._files[name].append(array)
            self.store.content.update(array.tobytes())
            self.missing[name] += not len(array)

    def _line(self, row: Utterance, where: str) -> list[str]:
        """The cells of a row, as the table and the hash of the content have them."""
        for column in FURTHER_COLUMNS:
            if getattr(row, column) is not None and column not in self.store.columns:
                raise InputError(f"{where} has a {column}, and the table no such column")
        cells = {**vars(row), "label": self.store.label.format(row.label)}
        return [
            "" if cells[column] is None else one_line(cells[column])
            for column in self.store.columns
        ]

    def close(self) -> None:
        self._table.close()
        for file in self._files.values():
            file.close()
        self.missing = +self.missing


def checked_row(
    name: str, spec: ModalitySpec, array: NDArray[Any] | None, dtype: np.dtype[Any], where: str
) -> NDArray[Any]:
    """(T, *item_shape) of one row as it is stored; T = 0 for None.

    Raises:
        InputError: a wrong shape, numbers that are not finite in ``dtype``, or tokens that the
            dictionary does not have.
    """
    if array is None:
        return np.empty((0, *spec.item_shape), dtype)
    array = np.asarray(array)
    if array.ndim == len(spec.item_shape):  # one item by itself
        array = array[None]
    if array.shape[1:] != spec.item_shape:
        expected = ", ".join(map(str, ("time", *spec.item_shape)))
        raise InputError(
            f"{where}: {name} has shape {array.shape}, expected ({expected}); "
            "mend the row or the modality's dim"
        )
    if spec.kind != "features" and array.dtype.kind not in "iu":
        raise InputError(
            f"{where}: {name} holds {array.dtype}, expected whole numbers; mend the row"
        )
    if spec.kind != "features" and len(array):
        highest = spec.dim - 1 if spec.kind == "tokens" else 255
        if array.min() < 0 or array.max() > highest:
            raise InputError(
                f"{where}: {name} holds {array.min()} to {array.max()}, expected numbers from 0 to "
                f"{highest}; make the {spec.kind} again with what meta.json says"
            )
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(array, dtype=dtype)
    if spec.kind == "features" and not np.isfinite(stored).all():
        raise InputError(
            f"{where}: {name} holds NaN or Inf as {dtype}, expected finite "
            "numbers; mend the row or leave the modality out for it"
        )
    return stored


class _ArrayFile:
    """``.npy`` and ``.lengths`` of one modality, written row by row."""

    def __init__(self, stem: Path, spec: ModalitySpec, dtype: np.dtype[Any]) -> None:
        self.dtype, self.item_shape, self.total = dtype, spec.item_shape, 0
        self._array = stem.with_name(stem.name + ".npy").open("wb")
        self._lengths = stem.with_name(stem.name + ".lengths").open("w")
        self._write_header()

    def append(self, row: NDArray[Any]) -> None:
        self._array.write(row.tobytes())
        self._lengths.write(f"{len(row)}\n")
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
        self._lengths.close()


class _TokenFile:
    """``.bin`` and ``.idx`` of one modality, by fairseq's own builder."""

    def __init__(self, stem: Path, spec: ModalitySpec) -> None:
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
