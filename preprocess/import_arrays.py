"""Imports published features from one ``.npz`` into ``DATA/``.

    python -m preprocess.import_arrays FILE.npz --modalities text audio video \
        --label label --split split --out DATA

Each modality is an array (rows, dim) or (rows, time, dim); label, split and the rest are arrays
(rows,). Nothing is unpickled.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.array_files import read_npy, read_npz
from mia_fairseq.data.format.kinds import DTYPES
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import name_values
from preprocess.tables.carving import add_carving_options, carve_validation
from preprocess.tables.labelling import (
    ALL,
    add_label_options,
    read_further_labels,
    read_labels,
    split_name,
)
from preprocess.tables.same_names import one_name
from preprocess.tables.table_reader import read_whole

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_parser("preprocess.import_arrays", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE.npz")
    parser.add_argument("--modalities", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--label", required=True, metavar="NAME", help="array of labels")
    parser.add_argument(
        "--further-label",
        action="append",
        default=[],
        metavar="NAME=ARRAY",
        help="array of a further label, such as that of one modality (see fairseq-train "
        "--further-labels)",
    )
    parser.add_argument("--split", metavar="NAME", help="array of split names; or --fold")
    parser.add_argument("--group", metavar="NAME", help="array of videos or dialogues")
    parser.add_argument("--id", metavar="NAME", help="array of row names (default: row numbers)")
    parser.add_argument("--text", metavar="NAME", help="array of transcripts")
    parser.add_argument("--speaker", metavar="NAME", help="array of who speaks")
    parser.add_argument(
        "--fold",
        metavar="NAME",
        help="array of whole numbers: the part of a cross-validation that tests the row (see "
        "fairseq-train --fold); --split may then be left out",
    )
    parser.add_argument(
        "--lengths",
        nargs="+",
        default=[],
        metavar="MODALITY=NAME",
        help="arrays of sequence lengths; 0 says that the modality is missing in a row",
    )
    parser.add_argument(
        "--folder",
        action="append",
        default=[],
        metavar="MODALITY=FOLDER",
        help="one more modality, of one vector a row, out of FOLDER/<id>.npy",
    )
    parser.add_argument(
        "--zeros-are-missing",
        action="store_true",
        help="take a modality whose vectors are all zeros in a row as missing there",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DATA")
    parser.add_argument("--corpus", help="name of the corpus (default: the file's)")
    parser.add_argument("--extractor", default="unknown", help="who made the features, for reports")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the features")
    add_label_options(parser)
    add_carving_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    if not (args.split or args.fold):
        raise InputError(f"{args.file}: name the array of split names with --split, or --fold's")
    arrays = load_arrays(args)
    rows = len(arrays[args.label])
    ids = [str(value) for value in arrays[args.id]] if args.id else [str(i) for i in range(rows)]
    for name, folder in name_values(args.folder, "--folder", Path, "MODALITY=FOLDER").items():
        arrays[name] = _vectors_of(folder, ids)
        args.modalities.append(name)
    groups = [one_name(value) for value in arrays[args.group]] if args.group else ids
    splits = [split_name(value) for value in arrays[args.split]] if args.split else [ALL] * rows
    where = f"{args.file}, {args.label}"
    labels = read_labels(arrays[args.label].tolist(), ids, args, where)
    kept = [row for row in range(rows) if row not in labels.left_out]
    if args.valid_fraction is not None:
        drawn = carve_validation(
            [splits[row] for row in kept],
            [groups[row] for row in kept],
            args.valid_fraction,
            args.valid_seed,
            str(args.file),
        )
        for row, split in zip(kept, drawn, strict=True):
            splits[row] = split
    elif "valid" not in splits and not args.fold:
        logger.warning("%s: has no validation rows; see --valid-fraction", args.file)
    named = _further(args)
    others = [{n: arrays[array][row].item() for n, array in named.items()} for row in range(rows)]
    further, further_values = read_further_labels(others, ids, args, str(args.file))
    modalities = {
        name: ModalitySpec(arrays[name].shape[-1], args.extractor) for name in args.modalities
    }
    lengths = _lengths(args)
    positions: dict[str, int] = {}
    with StoreWriter(
        args.out,
        corpus=args.corpus or args.file.stem,
        label=labels.spec,
        modalities=modalities,
        dtype=args.dtype,
        further_labels=further,
        further=[column for column in ("speaker", "fold") if getattr(args, column)],
    ) as store:
        for row in tqdm(range(rows), desc=f"importing {args.file.name}", unit="row"):
            place = positions[groups[row]] = positions.get(groups[row], -1) + 1
            if row in labels.left_out:
                continue
            utterance = Utterance(
                id=ids[row],
                label=labels.values[row],
                text=str(arrays[args.text][row]) if args.text else None,
                group=groups[row] if args.group else None,
                position=place if args.group else None,
                speaker=one_name(arrays[args.speaker][row]) if args.speaker else None,
                further=further_values[row],
                fold=_fold(arrays[args.fold][row], ids[row], args) if args.fold else None,
            )
            store.add(
                splits[row],
                utterance,
                {
                    name: _row_features(arrays, name, row, lengths.get(name), args)
                    for name in args.modalities
                },
            )
    counts = Counter(splits[row] for row in kept)
    logger.info("wrote %s: %s", args.out, ", ".join(f"{n} {c}" for n, c in counts.items()))


def load_arrays(args: argparse.Namespace) -> dict[str, NDArray[Any]]:
    """Reads the named arrays and checks that their shapes fit together.

    Raises:
        InputError: no such file, no .npz, pickled objects, an array that is not there, or rows
            or axes that do not fit.
    """
    single = (args.label, args.split, args.group, args.id, args.text, args.speaker, args.fold)
    several = (*_lengths(args).values(), *_further(args).values())
    vectors = [name for name in (*single, *several) if name]
    arrays = read_npz(args.file, list(dict.fromkeys((*args.modalities, *vectors))))
    rows = len(np.atleast_1d(arrays[args.label]))
    for name in (*args.modalities, *vectors):
        shape, expected = arrays[name].shape, {1: "(rows,)"}
        if name in args.modalities:
            expected = {2: "(rows, dim)", 3: "(rows, time, dim)"}
        elif name == args.label and args.multilabel:
            expected |= {2: "(rows, labels)"}
        if arrays[name].dtype.kind not in ("iuf" if name in args.modalities else "biufU"):
            raise InputError(
                f"{args.file}: {name!r} holds {arrays[name].dtype}, expected real numbers"
                f"{'' if name in args.modalities else ' or text'}; save it again as those"
            )
        if shape[:1] != (rows,) or len(shape) not in expected or 0 in shape:
            shapes = " or ".join(expected.values())
            raise InputError(
                f"{args.file}: {name!r} has shape {shape}, expected {shapes} with "
                f"{rows} rows as {args.label!r} has"
            )
    return arrays


def _further(args: argparse.Namespace) -> dict[str, str]:
    """{further label: the array of it}."""
    return name_values(args.further_label, "--further-label", str, "NAME=ARRAY")


def _lengths(args: argparse.Namespace) -> dict[str, str]:
    """{modality: the array of its lengths}."""
    form = f"MODALITY=NAME with one of {', '.join(args.modalities)} and an array of {args.file}"
    lengths = name_values(args.lengths, "--lengths", str, form)
    for modality in lengths:
        if modality not in args.modalities:
            raise InputError(f"--lengths names {modality!r}, expected the form {form}")
    return lengths


def _vectors_of(folder: Path, ids: Sequence[str]) -> NDArray[Any]:
    """(rows, dim) out of one (1, dim) file a row."""
    vectors: list[NDArray[Any]] = []
    for row in ids:
        try:
            vector = read_npy(folder / f"{row}.npy", "make its features again")
        except FileNotFoundError as error:
            raise InputError(
                f"{folder}: row {row!r} has no file; make its features, or name another folder"
            ) from error
        if (
            vector.shape != (1, *vector.shape[1:])
            or vector.ndim != 2
            or (vectors and vector.shape != vectors[0].shape)
        ):
            raise InputError(
                f"{folder}: row {row!r} has shape {vector.shape}, expected one vector a row, all "
                "of one size; extract them with --pool mean"
            )
        vectors.append(vector)
    return np.concatenate(vectors)


def _fold(value: object, row_id: str, args: argparse.Namespace) -> int:
    try:
        return read_whole(str(value))
    except ValueError as error:
        raise InputError(
            f"{args.file}, {args.fold}: row {row_id!r} has fold {value!r}, expected a whole number"
        ) from error


def _row_features(
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    row: int,
    lengths: str | None,
    args: argparse.Namespace,
) -> NDArray[Any] | None:
    vectors = np.atleast_2d(arrays[name][row])
    if lengths is not None:
        given = arrays[lengths][row]
        whole = given.dtype.kind in "iuf" and given == np.floor(given)
        if not whole or not 0 <= given <= len(vectors):
            raise InputError(
                f"{args.file}: {lengths!r} says {given} for row {row}, expected a whole number of "
                f"the {len(vectors)} vectors that {name!r} has room for; mend the array"
            )
        vectors = vectors[: int(given)]
    return None if args.zeros_are_missing and not vectors.any() else vectors


if __name__ == "__main__":
    run(main)
