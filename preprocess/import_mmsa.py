"""Imports MMSA's feature pickles, ``aligned_50.pkl`` or ``unaligned_50.pkl``, into ``DATA/``.

    python -m preprocess.import_mmsa unaligned_50.pkl --out DATA

The pickle is read as data: arrays, strings and plain containers, nothing that it could run. Text,
audio and vision become the modalities text, audio and video. Rows are as long as the file's lengths
say; of an aligned file without lengths, as long as the text; else whole. NaN and infinities, which
occur in these files, become 0 and are counted. CH-SIMS's labels of each modality
(``regression_labels_T`` and so on) become further labels, and its range is -1 to 1.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mia_fairseq.command import run
from mia_fairseq.data.format.kinds import DTYPES
from mia_fairseq.data.format.labels import SENTIMENT_RANGE, SIMS_RANGE
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from preprocess.tables.labelling import (
    add_label_options,
    read_further_labels,
    read_labels,
    split_name,
)
from preprocess.tables.pickled_arrays import read_pickle

logger = logging.getLogger(__name__)

FIELDS = {"text": "text", "audio": "audio", "video": "vision"}  # ours: MMSA's
OWN_LABELS = {name: f"regression_labels_{name[0].upper()}" for name in FIELDS}  # CH-SIMS's


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m preprocess.import_mmsa", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.pkl")
    parser.add_argument("--modalities", nargs="+", choices=list(FIELDS), default=list(FIELDS))
    parser.add_argument("--out", required=True, type=Path, metavar="DATA")
    parser.add_argument("--corpus", help="name of the corpus (default: the file's)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    add_label_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    splits = read_pickle(args.file)
    if not isinstance(splits, Mapping) or not all(isinstance(s, Mapping) for s in splits.values()):
        raise InputError(f"{args.file}: expected splits of named arrays, as MMSA writes them")
    fields = {ours: FIELDS[ours] for ours in args.modalities}
    tables = [_table(args.file, split, content, fields) for split, content in splits.items()]
    names = [row_id for table in tables for row_id in table.ids]
    labels = [label for table in tables for label in table.labels]
    own = [row for table in tables for row in table.own_labels]
    numbers = [*labels, *(value for row in own for value in row.values())]
    if any(own) and args.label_range == SENTIMENT_RANGE and _within(numbers, SIMS_RANGE):
        args.label_range = SIMS_RANGE
        logger.info("%s: labels of each modality, all from -1 to 1: CH-SIMS's range", args.file)
    further, further_values = read_further_labels(own, names, args, str(args.file))
    parsed = read_labels(labels, names, args, f"{args.file}, regression_labels")
    dims = _dims(tables, args.file)
    number = -1  # of the row in the file
    replaced = dict.fromkeys(args.modalities, 0)
    with StoreWriter(
        args.out,
        corpus=args.corpus or args.file.stem,
        label=parsed.spec,
        modalities={ours: ModalitySpec(dim, "MMSA") for ours, dim in dims.items()},
        dtype=args.dtype,
        further_labels=further,
    ) as store:
        for table in tables:
            for row, row_id in enumerate(
                tqdm(table.ids, desc=f"importing {table.split}", unit="row", disable=None)
            ):
                number += 1
                if number in parsed.left_out:
                    continue
                features = {}
                for m, vectors in table.features.items():
                    features[m], bad = _finite(vectors[row])
                    replaced[m] += bad
                group, _, clip = row_id.partition("$_$")
                utterance = Utterance(
                    id=row_id,
                    label=parsed.values[number],
                    text=table.texts[row] if table.texts else None,
                    group=group if clip else None,
                    position=int(clip) if clip.isdecimal() else None,
                    further=further_values[number],
                )
                store.add(table.split, utterance, features)
    for m, count in replaced.items():
        if count:
            logger.warning("%s: %d numbers were NaN or infinite and became 0", m, count)
    logger.info("wrote %s: %d rows", args.out, len(names) - len(parsed.left_out))


@dataclass(frozen=True)
class _Table:
    """One split of the file.

    Ids, labels and words a row, labels of each modality where the file has them, and (T, dim)
    vectors of each modality.
    """

    split: str
    ids: list[str]
    labels: list[object]
    texts: list[str]
    features: dict[str, list[NDArray[Any]]]
    own_labels: list[dict[str, object]]


def _table(path: Path, split: str, content: Mapping[str, Any], fields: Mapping[str, str]) -> _Table:
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
        vectors = [
            _vectors(row, f"{where}, {name}, row {row_id!r}")
            for row_id, row in zip(ids, _rows(content, name, where, len(ids)), strict=True)
        ]
        lengths = _lengths(content, name, vectors, ids, where)
        features[ours] = [row[:count] for row, count in zip(vectors, lengths, strict=True)]
    return _Table(
        split_name(split), ids, labels, [str(text) for text in texts], features, own_labels
    )


def _labels(content: Mapping[str, Any], name: str, where: str, rows: int) -> list[object]:
    return [
        value[0] if isinstance(value, list) and len(value) == 1 else value
        for value in _rows(content, name, where, rows)
    ]


def _within(values: Sequence[object], limits: tuple[float, float]) -> bool:
    return all(isinstance(v, int | float) and limits[0] <= v <= limits[1] for v in values)


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


def _dims(tables: Sequence[_Table], path: Path) -> dict[str, int]:
    """Each modality's dim, the same for all rows.

    Raises:
        InputError: it is not, or there is no row.
    """
    dims: dict[str, int] = {}
    for table in tables:
        for modality, rows in table.features.items():
            for row_id, vectors in zip(table.ids, rows, strict=True):
                dim = vectors.shape[1]
                if dims.setdefault(modality, dim) != dim:
                    raise InputError(
                        f"{path}, {table.split}: {modality} of row {row_id!r} has {dim} columns, "
                        f"the rows before have {dims[modality]}; mend the row"
                    )
    if not dims:
        raise InputError(f"{path}: holds no rows; fetch it again")
    return dims


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
    elif "text_bert" in content:
        masks = [np.asarray(row) for row in _rows(content, "text_bert", where, len(ids))]
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


def _finite(vectors: NDArray[Any]) -> tuple[NDArray[Any], int]:
    bad = ~np.isfinite(vectors)
    return np.where(bad, 0, vectors), int(bad.sum())


if __name__ == "__main__":
    run(main)
