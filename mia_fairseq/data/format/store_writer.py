"""Writes ``DATA/``, the format that store.py describes and reads."""

import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.dictionary import check_dictionary, dictionary_path
from mia_fairseq.data.format.kinds import DTYPES
from mia_fairseq.data.format.labels import FURTHER, LabelSpec, one_line
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.split_writer import SplitWriter, StoreSettings
from mia_fairseq.data.format.store import (
    COLUMNS,
    FORMAT,
    FURTHER_COLUMNS,
    Utterance,
    sha256_of_meta,
)
from mia_fairseq.errors import InputError
from mia_fairseq.files import new_folder, sha256_of

OWN_FILES = re.compile(
    r"meta\.json|dict\.\w+\.txt|[\w-]+\.(tsv|index)|[\w-]+\.\w+\.(npy|lengths|bin|idx)"
)
LONGEST_NAME = 100  # of a split; files may have 255, with a modality and an ending

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
        further_labels: kinds of further labels, by name.
        united: what the corpus is made of (see store.py); nothing unless it is several.
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
        further_labels: Mapping[str, LabelSpec] | None = None,
        united: Mapping[str, int | None] | None = None,
    ) -> None:
        self.path, self.corpus, self.united = Path(path), corpus, dict(united or {})
        self.modalities, self.dictionaries = dict(modalities), dict(dictionaries or {})
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
        columns = (*COLUMNS, *(name for name in FURTHER_COLUMNS if name in set(further)))
        others = dict(further_labels or {})
        columns += tuple(FURTHER + name for name in others)
        self.settings = StoreSettings(
            self.path, label, self.modalities, np.dtype(dtype), columns, others
        )
        self._check_replaceable()
        self._splits: dict[str, SplitWriter] = {}
        self._ids: dict[str, str] = {}  # of each row, its split
        self._content = hashlib.sha256()  # of all rows, as they come

    def _check_replaceable(self) -> None:
        """Raises `InputError` where something else than a DATA folder would be lost."""
        if self.path.is_symlink():
            raise InputError(f"{self.path}: is a link; name the folder itself as --out")
        if not self.path.exists():
            return
        inside = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else [""]
        if inside and "meta.json" not in inside:
            raise InputError(
                f"{self.path}: is there already and is no DATA folder; name another --out"
            )
        foreign = [name for name in inside if not OWN_FILES.fullmatch(name)]
        if foreign:
            raise InputError(
                f"{self.path}: holds {len(foreign)} files that are not of a DATA folder, such as "
                f"{foreign[0]!r}, which would be lost; move them or name another --out"
            )

    def __enter__(self) -> "StoreWriter":
        self._open = contextlib.ExitStack()
        self._partial = self._open.enter_context(new_folder(self.path))
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
            if len(split) > LONGEST_NAME:
                raise InputError(
                    f"{row.id}: split {split!r} has {len(split)} characters, expected at most "
                    f"{LONGEST_NAME}, for files are named by it; give it a shorter name"
                )
            self._splits[split] = SplitWriter(self._partial, split, self.settings, self._content)
        row = replace(row, id=one_line(row.id))
        if not row.id:
            raise InputError(f"{self.path}: a row of {split} has an empty id; give it a name")
        if row.id in self._ids:
            raise InputError(
                f"{self.path}: id {row.id!r} stands in {self._ids[row.id]} already and again in "
                f"{split}; ids must be unique"
            )
        unknown = sorted(set(features) - set(self.modalities))
        if unknown:
            raise InputError(f"{self.path}: row {row.id!r} has unknown modality {unknown[0]!r}")
        self._splits[split].add(row, features)
        self._ids[row.id] = split

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._open:  # which moves the folder into place, or removes it after an error
            for split in self._splits.values():
                split.close()
            if kind is not None:
                self._open.pop_all().__exit__(kind, error, traceback)
                return
            self._finish()

    def _finish(self) -> None:
        if not self._splits:
            raise InputError(f"{self.path}: no row was given, nothing is written")
        for modality, text in self.dictionaries.items():
            path = dictionary_path(self._partial, modality)
            path.write_text(text, encoding="utf-8")
            spec = self.modalities[modality]
            check_dictionary(path, str(spec.extra["dictionary"]), spec.dim)
        for name, split in self._splits.items():
            for modality, count in split.missing.items():
                logger.warning(
                    "%s: %s is missing for %d of %d rows", name, modality, count, split.rows
                )
        further = self.settings.further_labels
        others = {name: spec.to_json() for name, spec in further.items()}
        meta: dict[str, Any] = {
            "format": FORMAT,
            "corpus": self.corpus,
            **({"united": self.united} if self.united else {}),
            "label": self.settings.label.to_json(),
            **({"further_labels": others} if others else {}),
            "modalities": {name: spec.to_json() for name, spec in self.modalities.items()},
            "splits": {name: split.rows for name, split in self._splits.items()},
            "content_sha256": self._content.hexdigest(),
            "files_sha256": {
                path.name: sha256_of(path) for path in sorted(self._partial.iterdir())
            },
        }
        meta["meta_sha256"] = sha256_of_meta(meta)
        (self._partial / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
