"""Writes ``DATA/``, the format that store.py describes and reads."""

import csv
import json
import logging
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.labels import LabelSpec
from mia_fairseq.data.store import COLUMNS, DTYPES, FORMAT, ModalitySpec, Utterance
from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)


class StoreWriter:
    """Writes ``DATA/`` row by row under a temporary name and moves it into place at the end.

    Use it as a context manager; leaving it by an exception leaves no ``DATA/`` behind. An
    existing ``DATA/`` is replaced in the last moment, any other folder is refused.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        corpus: str,
        label: LabelSpec,
        modalities: Mapping[str, ModalitySpec],
        dtype: str = "float32",
    ) -> None:
        self.path = Path(path)
        self.corpus, self.label, self.modalities = corpus, label, dict(modalities)
        if not self.modalities:
            raise InputError(f"{self.path}: no modality was given, expected one or more")
        for name in self.modalities:
            if not name.isidentifier():
                raise InputError(
                    f"{self.path}: modality name {name!r} must be letters, digits and underscores"
                )
        if dtype not in DTYPES:
            raise InputError(f"dtype is {dtype!r}, expected one of {', '.join(DTYPES)}")
        self.dtype = np.dtype(dtype)
        replaceable = (self.path / "meta.json").is_file() or (
            self.path.is_dir() and not any(self.path.iterdir())
        )
        if self.path.exists() and not replaceable:
            raise InputError(
                f"{self.path}: is there already and is no DATA folder; name another --out"
            )
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._splits: dict[str, _SplitWriter] = {}

    def __enter__(self) -> "StoreWriter":
        shutil.rmtree(self._partial, ignore_errors=True)  # what a killed run left
        self._partial.mkdir(parents=True)
        return self

    def add(self, split: str, row: Utterance, features: Mapping[str, NDArray[Any] | None]) -> None:
        """Appends one utterance.

        Args:
            split: ``train``, ``valid``, ``test`` or a name of the user's own.
            row: the utterance; its id is unique within the corpus.
            features: (T, dim) or (dim,) for each modality; None or T = 0 where it is missing.

        Raises:
            InputError: an unknown modality, a wrong shape, NaN or Inf, or an id seen before.
        """
        if split not in self._splits:
            if not split.replace("-", "_").isidentifier():
                raise InputError(
                    f"{row.id}: split {split!r} must be letters, digits, underscores and hyphens"
                )
            self._splits[split] = _SplitWriter(self._partial, split, self)
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
        }
        (self._partial / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
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
        self._rows.writerow(COLUMNS)
        self._arrays: dict[str, BinaryIO] = {}
        self._lengths = {}
        self._totals = dict.fromkeys(store.modalities, 0)
        for name in store.modalities:
            self._arrays[name] = (folder / f"{split}.{name}.npy").open("wb")
            self._write_header(name)
            self._lengths[name] = (folder / f"{split}.{name}.lengths").open("w")

    def add(self, row: Utterance, features: Mapping[str, NDArray[Any] | None]) -> None:
        where = f"{self.store.path}: row {row.id!r} of {self.split}"
        arrays = {name: self._checked(name, features.get(name), where) for name in self._arrays}
        cells = (row.id, self.store.label.format(row.label), row.text, row.group, row.position)
        self._rows.writerow("" if cell is None else " ".join(str(cell).split()) for cell in cells)
        self.ids.add(row.id)
        for name, array in arrays.items():
            self._arrays[name].write(array.tobytes())
            self._lengths[name].write(f"{len(array)}\n")
            self._totals[name] += len(array)
            self.missing[name] += not len(array)

    def _checked(self, name: str, array: NDArray[Any] | None, where: str) -> NDArray[Any]:
        dim = self.store.modalities[name].dim
        if array is None:
            return np.empty((0, dim), self.store.dtype)
        array = np.atleast_2d(np.asarray(array))
        if array.ndim != 2 or array.shape[1] != dim:
            raise InputError(
                f"{where}: {name} has shape {array.shape}, expected (time, {dim}); "
                "mend the row or the modality's dim"
            )
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(array, dtype=self.store.dtype)
        if not np.isfinite(stored).all():
            raise InputError(
                f"{where}: {name} holds NaN or Inf as {self.store.dtype}, expected finite "
                "numbers; mend the row or leave the modality out for it"
            )
        return stored

    def _write_header(self, name: str) -> None:
        # NumPy leaves room in the header for the first axis to grow, so that it can be
        # written again in place when the number of vectors is known.
        np.lib.format.write_array_header_1_0(
            self._arrays[name],
            {
                "descr": np.lib.format.dtype_to_descr(self.store.dtype),
                "fortran_order": False,
                "shape": (self._totals[name], self.store.modalities[name].dim),
            },
        )

    def close(self) -> None:
        self._table.close()
        for name, file in self._arrays.items():
            file.seek(0)
            self._write_header(name)
            file.close()
            self._lengths[name].close()
        self.missing = +self.missing
