"""What one split of MMSA's pickles holds: ids, labels, words, and vectors or tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.extractors.text_tokens import TransformersTokens
from preprocess.mmsa.mmsa_tokens import BERT, token_rows
from preprocess.tables.labelling import split_name

FIELDS = {"text": "text", "audio": "audio", "video": "vision"}  # ours: MMSA's
OWN_LABELS = {name: f"regression_labels_{name[0].upper()}" for name in FIELDS}  # CH-SIMS's


@dataclass(frozen=True)
class MmsaTable:
    """One split of the file.

    Ids, labels and words a row, labels of each modality where the file has them, and of each
    modality (T, dim) vectors or (T,) tokens.
    """

    split: str
    ids: list[str]
    labels: list[object]
    texts: list[str]
    features: dict[str, list[NDArray[Any]]]
    own_labels: list[dict[str, object]]


def read_table(
    path: Path,
    split: str,
    content: Mapping[str, Any],
    modalities: Sequence[str],
    tokenizer: TransformersTokens | None = None,
) -> MmsaTable:
    """Reads one split.

    Args:
        path: of the file, for messages.
        split: as the file names it.
        content: field -> rows.
        modalities: ours, some of `FIELDS`.
        tokenizer: of the ids in ``text_bert``, where text is to be those.

    Raises:
        InputError: a field is not there, or is not as MMSA writes it.
    """
    fields = {ours: FIELDS[ours] for ours in modalities}
    where = f"{path}, {split}"
    ids = [str(value) for value in _rows(content, "id", where)]
    labels = _labels(content, "regression_labels", where, len(ids))
    there = [ours for ours in fields if OWN_LABELS[ours] in content]
    own = [_labels(content, OWN_LABELS[ours], where, len(ids)) for ours in there]
    own_labels = [
        {n: row[place] for n, row in zip(there, own, strict=True)} for place in range(len(ids))
    ]
    texts = _rows(content, "raw_text", where, len(ids)) if "raw_text" in content else []
    features = {}
    for ours, name in fields.items():
        if ours == "text" and tokenizer is not None:
            rows = _rows(content, BERT, where, len(ids))
            features[ours] = token_rows(rows, ids, texts, tokenizer, where)
            continue
        vectors = [
            _vectors(row, f"{where}, {name}, row {row_id!r}")
            for row_id, row in zip(ids, _rows(content, name, where, len(ids)), strict=True)
        ]
        lengths = _lengths(content, name, vectors, ids, where)
        features[ours] = [row[:count] for row, count in zip(vectors, lengths, strict=True)]
    return MmsaTable(
        split_name(split), ids, labels, [str(text) for text in texts], features, own_labels
    )


def _labels(content: Mapping[str, Any], name: str, where: str, rows: int) -> list[object]:
    return [
        value[0] if isinstance(value, list) and len(value) == 1 else value
        for value in _rows(content, name, where, rows)
    ]


def _rows(
    content: Mapping[str, Any], name: str, where: str, expected: int | None = None
) -> list[Any]:
    """A field's rows; those of an array of numbers stay arrays."""
    if name not in content:
        raise InputError(
            f"{where}: has no field {name!r}, it has {', '.join(map(str, content))[:200]}; is it "
            "an MMSA pickle?"
        )
    rows = content[name]
    if isinstance(rows, np.ndarray) and rows.ndim:
        rows = rows.tolist() if rows.ndim == 1 or rows.shape[1:] == (1,) else list(rows)
    if not isinstance(rows, list) or expected not in (None, len(rows)):
        found = f"{len(rows)} rows" if isinstance(rows, list) else type(rows).__name__
        raise InputError(
            f"{where}: {name} has {found}, expected {expected or 'one a row'}, as many as ids; the "
            "file is damaged, fetch it again"
        )
    return rows


def _vectors(row: Any, where: str) -> NDArray[Any]:
    """A row's vectors (T, dim), of real numbers."""
    try:
        vectors = np.asarray(row)
    except ValueError as error:
        raise InputError(f"{where}: its vectors are not of one length; mend the row") from error
    if vectors.ndim == 1:
        vectors = vectors[None]
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"{where}: holds {vectors.dtype} of shape {vectors.shape}, expected numbers (T, dim)"
        )
    return vectors


def _lengths(
    content: Mapping[str, Any],
    name: str,
    vectors: Sequence[NDArray[Any]],
    ids: Sequence[str],
    where: str,
) -> list[int]:
    """Each row's number of vectors, which the row has at least.

    Aligned files have one vector a token and may leave lengths out; then ``text_bert``, (3, tokens)
    of ids, mask and types a row, tells them. Where audio has not as many places as text has tokens,
    the file is not aligned, and rows are whole.
    """
    given: Sequence[Any] = [len(row) for row in vectors]
    if f"{name}_lengths" in content:
        given = _rows(content, f"{name}_lengths", where, len(ids))
    elif BERT in content:
        masks = [np.asarray(row) for row in _rows(content, BERT, where, len(ids))]
        if all(mask.ndim == 2 and len(mask) == 3 for mask in masks) and all(
            mask.shape[1] == len(row) for mask, row in zip(masks, vectors, strict=True)
        ):
            given = [mask[1].sum() for mask in masks]
    lengths = []
    for row_id, value, row in zip(ids, given, vectors, strict=True):
        number = value[0] if isinstance(value, list) and len(value) == 1 else value
        whole = isinstance(number, int | float | np.number) and number == np.floor(number)
        if not whole or not 0 <= number <= len(row):
            raise InputError(
                f"{where}: {name} of row {row_id!r} has length {str(number)[:40]}, expected a "
                f"whole number from 0 to {len(row)}, the vectors that it has; mend the file"
            )
        lengths.append(int(number))
    return lengths
