"""The on-disk format of ``DATA/``: what is in it, and its reader (store_writer.py writes it).

``meta.json`` tells what the corpus holds; ``{split}.tsv`` has one row an utterance;
``{split}.{modality}.npy`` has all rows' vectors one after another, (sum of lengths, dim), and
``{split}.{modality}.lengths`` each row's number of vectors, one integer a line, 0 where the
modality is missing. Rows and vectors are read when they are asked for, so memory hardly grows
with the corpus.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.labels import LabelSpec
from mia_fairseq.data.rows import RowTable
from mia_fairseq.data.rows import Utterance as Utterance
from mia_fairseq.data.vectors import VectorFile, Vectors
from mia_fairseq.errors import InputError

FORMAT = 1  # of DATA/; raised when a reader of the old format would misread the new one
COLUMNS = ("id", "label", "text", "group", "position")
DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class ModalitySpec:
    """One modality of a corpus: its kind, the size of its vectors, and who made them."""

    dim: int
    extractor: str = "unknown"
    kind: str = "features"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**self.extra, "kind": self.kind, "dim": self.dim, "extractor": self.extractor}

    @classmethod
    def from_json(cls, value: object, where: str) -> "ModalitySpec":
        if not isinstance(value, Mapping) or value.get("kind") != "features":
            raise InputError(
                f"{where}: a modality of {value!r} cannot be read by this version, which reads "
                'kind "features"; import the data again or update mia_fairseq'
            )
        dim = value.get("dim")
        if not isinstance(dim, int) or dim < 1:
            raise InputError(f"{where}: dim is {dim!r}, expected a whole number from 1 up")
        extra = {k: v for k, v in value.items() if k not in ("kind", "dim", "extractor")}
        return cls(dim, str(value.get("extractor", "unknown")), "features", extra)


class Store:
    """A ``DATA/`` folder, open for reading.

    Raises:
        InputError: there is no such folder, or its ``meta.json`` cannot be used.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        meta_path = self.path / "meta.json"
        if not meta_path.is_file():
            raise InputError(
                f"{self.path}: no meta.json here, expected a DATA folder; make one with "
                "python -m preprocess.import_arrays, .import_mmsa or .binarize"
            )
        try:
            meta = json.loads(meta_path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{meta_path}: is no JSON ({error}); import the data again") from error
        if not isinstance(meta, dict) or meta.get("format") != FORMAT:
            found = meta.get("format") if isinstance(meta, dict) else None
            raise InputError(
                f"{meta_path}: format is {found!r}, this version reads {FORMAT}; "
                "import the data again or update mia_fairseq"
            )
        self.corpus = str(meta.get("corpus", "unknown"))
        self.label = LabelSpec.from_json(meta.get("label"), str(meta_path))
        modalities, splits = meta.get("modalities"), meta.get("splits")
        if not isinstance(modalities, dict) or not isinstance(splits, dict):
            raise InputError(
                f"{meta_path}: modalities or splits are missing; import the data again"
            )
        self.modalities = {
            name: ModalitySpec.from_json(spec, f"{meta_path}, {name}")
            for name, spec in modalities.items()
        }
        self.splits: dict[str, int] = splits

    def split(self, name: str, modalities: Iterable[str] | None = None) -> "Split":
        """Opens one split with the named modalities, by default all of them."""
        if name not in self.splits:
            hint = (
                "; carve one out of training with --valid-fraction when importing"
                if name == "valid"
                else ""
            )
            raise InputError(
                f"{self.path}: has no split {name!r}, it has {', '.join(self.splits)}{hint}"
            )
        return Split(self, name, self.modalities if modalities is None else modalities)


class Split:
    """The rows of one split and their features, both on disk.

    Attributes:
        rows: the utterances, in the order of the table, each read when it is asked for.
        features: for each opened modality, a `VectorTable`.
    """

    def __init__(self, store: Store, name: str, modalities: Iterable[str]) -> None:
        self.store, self.name = store, name
        path, expected = store.path / f"{name}.tsv", store.splits[name]
        self.rows = RowTable(path, store.label)
        if len(self.rows) != expected:
            raise InputError(
                f"{path}: has {len(self.rows)} rows, meta.json says {expected}; "
                "import the data again"
            )
        if not len(self.rows):
            raise InputError(
                f"{store.path}: split {name!r} is empty, expected one row or more; import again"
            )
        self.features = {name: VectorTable.open(self, name) for name in modalities}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.float64]:
        """(rows,) scores, or class indices as floats."""
        return self.rows.labels


class VectorTable:
    """One modality's vectors of one split: row i is ``vectors[offsets[i]:][:lengths[i]]``.

    Attributes:
        path: the file that the vectors came from, for messages.
        lengths: (rows,) vectors of each row; 0 where the modality is missing.
        offsets: (rows,) where each row starts.
        vectors: (V, dim), on disk.
    """

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

    @classmethod
    def open(cls, split: Split, modality: str) -> "VectorTable":
        """Opens one modality of a split on disk."""
        store = split.store
        if modality not in store.modalities:
            raise InputError(
                f"{store.path}: has no modality {modality!r}, it has "
                f"{', '.join(store.modalities)}; mend --main-modality or --aux-modalities"
            )
        stem = store.path / f"{split.name}.{modality}"
        path = stem.with_name(stem.name + ".npy")
        lengths = cls._read_lengths(stem.with_name(stem.name + ".lengths"), len(split))
        dim = store.modalities[modality].dim
        return cls(path, lengths, cls._open_vectors(path, int(lengths.sum()), dim))

    def __getitem__(self, row: int) -> NDArray[Any]:
        start = int(self.offsets[row])
        return self.vectors[start : start + int(self.lengths[row])]

    @property
    def missing(self) -> int:
        """Rows without this modality."""
        return int((self.lengths == 0).sum())

    @staticmethod
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

    @staticmethod
    def _open_vectors(path: Path, count: int, dim: int) -> Vectors:
        try:
            if count == 0:  # nothing to read: the modality is missing in every row
                return np.empty((0, dim), np.float32)
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise InputError(f"{path}: is missing; import the data again") from error
        except (ValueError, EOFError, OSError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}), it may be truncated; import the data again"
            ) from error
        if vectors.ndim != 2 or vectors.shape[1] != dim:
            raise InputError(
                f"{path}: has shape {vectors.shape}, meta.json says dim {dim}; "
                "import the data again"
            )
        if vectors.dtype.name not in DTYPES:
            raise InputError(
                f"{path}: holds {vectors.dtype}, expected {' or '.join(DTYPES)}; "
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
