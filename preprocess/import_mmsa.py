"""Imports MMSA's feature pickles, ``aligned_50.pkl`` or ``unaligned_50.pkl``, into ``DATA/``.

    python -m preprocess.import_mmsa unaligned_50.pkl --out DATA

The pickle is read as data: arrays, strings and plain containers, nothing that it could run. Text,
audio and vision become the modalities text, audio and video. Rows are as long as the file's lengths
say; of an aligned file without lengths, as long as the text; else whole. NaN and infinities, which
occur in these files, become 0 and are counted. CH-SIMS's labels of each modality
(``regression_labels_T`` and so on) become further labels, and its range is -1 to 1.

    python -m preprocess.import_mmsa unaligned_39.pkl --text-tokens bert-base-chinese --out DATA

The ids in ``text_bert`` are the text instead, where their tokenizer is at hand.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.kinds import DTYPES
from mia_fairseq.data.format.labels import SENTIMENT_RANGE, SIMS_RANGE
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from preprocess.mmsa.mmsa_pickle import FIELDS, MmsaTable, read_table
from preprocess.mmsa.mmsa_tokens import spec_of_tokens, tokenizer_of
from preprocess.tables.labelling import add_label_options, read_further_labels, read_labels
from preprocess.tables.pickled_arrays import read_pickle

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_parser("preprocess.import_mmsa", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE.pkl")
    parser.add_argument(
        *("--modalities",),
        nargs="+",
        choices=list(FIELDS),
        default=list(FIELDS),
        help="which of them (default: all)",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DATA")
    parser.add_argument("--corpus", help="name of the corpus (default: the file's)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the features")
    parser.add_argument(
        "--text-tokens",
        metavar="TOKENIZER",
        help="text is text_bert's ids, for an encoder that learns along: the folder of the "
        "tokenizer that made them, or minilm_tokens, which has bert-base-uncased's vocabulary",
    )
    add_label_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    splits = read_pickle(args.file)
    if not isinstance(splits, Mapping) or not all(isinstance(s, Mapping) for s in splits.values()):
        raise InputError(f"{args.file}: expected splits of named arrays, as MMSA writes them")
    tokenizer = None if args.text_tokens is None else tokenizer_of(args.text_tokens)
    if tokenizer is not None and "text" not in args.modalities:
        raise InputError(
            f"--text-tokens {args.text_tokens} is about text, which --modalities leaves out; add "
            "text, or leave --text-tokens out"
        )
    tables = [
        read_table(args.file, split, content, args.modalities, tokenizer)
        for split, content in splits.items()
    ]
    names = [row_id for table in tables for row_id in table.ids]
    labels = [label for table in tables for label in table.labels]
    own = [row for table in tables for row in table.own_labels]
    numbers = [*labels, *(value for row in own for value in row.values())]
    if any(own) and args.label_range == SENTIMENT_RANGE and _within(numbers, SIMS_RANGE):
        args.label_range = SIMS_RANGE
        logger.info("%s: labels of each modality, all from -1 to 1: CH-SIMS's range", args.file)
    further, further_values = read_further_labels(own, names, args, str(args.file))
    parsed = read_labels(labels, names, args, f"{args.file}, regression_labels")
    specs = {ours: ModalitySpec(dim, "MMSA") for ours, dim in _dims(tables, args.file).items()}
    if tokenizer is not None:
        specs["text"] = spec_of_tokens(tokenizer, args.text_tokens)
    number = -1  # of the row in the file
    replaced = dict.fromkeys(args.modalities, 0)
    with StoreWriter(
        args.out,
        corpus=args.corpus or args.file.stem,
        label=parsed.spec,
        modalities=specs,
        dtype=args.dtype,
        dictionaries={"text": tokenizer.dictionary_text()} if tokenizer else {},
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


def _within(values: Sequence[object], limits: tuple[float, float]) -> bool:
    return all(isinstance(v, int | float) and limits[0] <= v <= limits[1] for v in values)


def _dims(tables: Sequence[MmsaTable], path: Path) -> dict[str, int]:
    """Each modality's dim, the same for all rows.

    Raises:
        InputError: it is not, or there is no row.
    """
    dims: dict[str, int] = {}
    for table in tables:
        for modality, rows in table.features.items():
            for row_id, vectors in zip(table.ids, rows, strict=True):
                dim = 0 if vectors.ndim == 1 else vectors.shape[1]  # of tokens there is none
                if dims.setdefault(modality, dim) != dim:
                    raise InputError(
                        f"{path}, {table.split}: {modality} of row {row_id!r} has {dim} columns, "
                        f"the rows before have {dims[modality]}; mend the row"
                    )
    if not dims:
        raise InputError(f"{path}: holds no rows; fetch it again")
    return dims


def _finite(vectors: NDArray[Any]) -> tuple[NDArray[Any], int]:
    bad = ~np.isfinite(vectors)
    return np.where(bad, 0, vectors), int(bad.sum())


if __name__ == "__main__":
    run(main)
