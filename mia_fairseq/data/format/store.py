"""The on-disk format of ``DATA/``: what is in it, and its reader (store_writer.py writes it).

``meta.json`` tells what the corpus holds; ``{split}.tsv`` has one row an utterance. By the kind of
a modality (kinds.py), its rows lie in

- features: ``{split}.{modality}.npy``, all rows' vectors one after another, (sum of lengths, dim),
  and ``{split}.{modality}.lengths``, each row's number of vectors, one integer a line;
- frames: the same files, with uint8 pictures, (sum of lengths, dim, dim, 3), RGB;
- tokens: fairseq's ``{split}.{modality}.bin`` and ``.idx`` (`MMapIndexedDataset`, one entry a row)
  and ``dict.{modality}.txt`` (see dictionary.py); dim is the size of that dictionary.

``meta.json`` also has ``content_sha256``, of all rows in the order in which they were added, the
sha256 of each file, and ``meta_sha256``, of all else that it tells.

Of a corpus that preprocess.unite made, ``united`` tells the parts: for each, the fold that divided
its rows when the whole was made, or null where its own tables did.

A large split also has ``{split}.index``, where blocks of its rows begin (see row_blocks.py).

A row that lacks a modality has length 0. Rows and items are read when they are asked for, so
memory hardly grows with the corpus, and a split opens in the same time whatever its size.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.row_blocks import SplitIndex
from mia_fairseq.data.format.rows import RowTable
from mia_fairseq.data.format.rows import Utterance as Utterance
from mia_fairseq.data.format.table_files import open_table
from mia_fairseq.data.format.tables import VectorTable
from mia_fairseq.errors import InputError

FORMAT = 1  # of DATA/; raised when a reader of the old format would misread the new one
COLUMNS = ("id", "label", "text", "group", "position")
FURTHER_COLUMNS = ("speaker", "fold", "corpus")  # of tables that need them


def read_meta(path: Path) -> dict[str, Any]:
    """What ``meta.json`` of a DATA folder holds.

    Raises:
        InputError: there is none, or it is no JSON of this format.
    """
    meta_path = path / "meta.json"
    if not meta_path.is_file():
        raise InputError(
            f"{path}: no meta.json here, expected a DATA folder; make one with "
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
    return meta


def sha256_of_meta(meta: Mapping[str, Any]) -> str:
    """The sha256 of what ``meta.json`` tells, but for this sum itself."""
    told = {name: value for name, value in meta.items() if name != "meta_sha256"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def read_united(meta: Mapping[str, Any], path: Path) -> dict[str, int | None]:
    """What a corpus was united of, in ``meta.json``; nothing of others and of older ones.

    Raises:
        InputError: it is told in other types.
    """
    united = meta.get("united", {})
    folds = list(united.values()) if isinstance(united, dict) else [""]
    if not all(fold is None or (type(fold) is int and fold >= 0) for fold in folds):
        raise InputError(
            f"{path}: united is {str(united)[:200]}, expected a fold or null for each part; "
            "unite the parts again"
        )
    return dict(united)


class Store:
    """A ``DATA/`` folder, open for reading.

    Attributes:
        path: of the folder.
        corpus: its name.
        united: what the corpus was made of by preprocess.unite: part -> the fold that divided its
            rows then, or None where its own tables did.
        label: kind of label.
        further_labels: kinds of others, by name.
        modalities: the specification of each.
        splits: rows of each.

    Raises:
        InputError: there is no such folder, or its ``meta.json`` cannot be used.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        meta_path, meta = self.path / "meta.json", read_meta(self.path)
        self.corpus = str(meta.get("corpus", "unknown"))
        self.united = read_united(meta, meta_path)
        self.label = LabelSpec.from_json(meta.get("label"), str(meta_path))
        self.further_labels = {
            name: LabelSpec.from_json(spec, f"{meta_path}, further_labels, {name}")
            for name, spec in meta.get("further_labels", {}).items()
        }
        modalities, splits = meta.get("modalities"), meta.get("splits")
        if not isinstance(modalities, dict) or not isinstance(splits, dict):
            raise InputError(
                f"{meta_path}: modalities or splits are missing; import the data again"
            )
        self.modalities = {
            name: ModalitySpec.from_json(spec, f"{meta_path}, {name}")
            for name, spec in modalities.items()
        }
        if not all(type(rows) is int and rows >= 0 for rows in splits.values()):
            raise InputError(
                f"{meta_path}: splits are {str(splits)[:200]}, expected a count of rows for each; "
                "import the data again"
            )
        self.splits: dict[str, int] = splits

    def split(self, name: str, modalities: Iterable[str] | None = None) -> "Split":
        """Opens one split with the named modalities, by default all of them."""
        if name not in self.splits:
            hint = ""
            if any(Split(self, one, ()).has_folds for one in self.splits):
                hint = "; its rows have folds, so give --fold K"
            elif name == "valid":
                hint = "; carve one out of training with --valid-fraction when importing"
            raise InputError(
                f"{self.path}: has no split {name!r}, it has {', '.join(self.splits)}{hint}"
            )
        return Split(self, name, self.modalities if modalities is None else modalities)


class Split:
    """The rows of one split and their features, both on disk.

    Attributes:
        rows: the utterances, in the order of the table, each read when it is asked for.
        features: for each opened modality, a `VectorTable`.
        specs: the specification of each opened modality.
    """

    def __init__(
        self, store: Store, name: str, modalities: Iterable[str], rows: int | None = None
    ) -> None:
        """``rows``: how many there must be; None: as many as the store says."""
        self.store, self.name = store, name
        path, expected = store.path / f"{name}.tsv", store.splits[name] if rows is None else rows
        index = SplitIndex(store.path / f"{name}.index", expected)
        self.rows = RowTable(path, store.label, store.further_labels, index)
        if len(self.rows) != expected:
            raise InputError(
                f"{path}: has {len(self.rows)} rows, meta.json says {expected}; "
                "import the data again"
            )
        if not len(self.rows):
            raise InputError(
                f"{store.path}: split {name!r} is empty, expected one row or more; import again"
            )
        self.specs = {name: self._spec(name) for name in modalities}
        self.features: dict[str, VectorTable] = {
            modality: open_table(store.path, name, modality, spec, self.rows, index)
            for modality, spec in self.specs.items()
        }

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def has_folds(self) -> bool:
        """Whether its rows tell of a cross-validation."""
        return self.rows[0].fold is not None

    @property
    def labels(self) -> NDArray[np.float64]:
        """(rows,) scores, or class indices as floats."""
        return self.rows.labels

    def _spec(self, modality: str) -> ModalitySpec:
        store = self.store
        if modality not in store.modalities:
            raise InputError(
                f"{store.path}: has no modality {modality!r}, it has "
                f"{', '.join(store.modalities)}; mend --main-modality or --aux-modalities"
            )
        return store.modalities[modality]
