"""The arrays of one ``.npz`` that options name, and what a row has of each."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.array_files import read_npy, read_npz
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import name_values
from preprocess.tables.table_reader import read_whole


def load_arrays(args: argparse.Namespace) -> dict[str, NDArray[Any]]:
    """Reads the named arrays and checks that their shapes fit together.

    Raises:
        InputError: no such file, no .npz, pickled objects, an array that is not there, or rows
            or axes that do not fit.
    """
    single = (args.label, args.split, args.group, args.id, args.text, args.speaker, args.fold)
    several = (*length_arrays(args).values(), *further_arrays(args).values())
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


def further_arrays(args: argparse.Namespace) -> dict[str, str]:
    """{further label: the array of it}."""
    return name_values(args.further_label, "--further-label", str, "NAME=ARRAY")


def length_arrays(args: argparse.Namespace) -> dict[str, str]:
    """{modality: the array of its lengths}."""
    form = f"MODALITY=NAME with one of {', '.join(args.modalities)} and an array of {args.file}"
    lengths = name_values(args.lengths, "--lengths", str, form)
    for modality in lengths:
        if modality not in args.modalities:
            raise InputError(f"--lengths names {modality!r}, expected the form {form}")
    return lengths


def vectors_of(folder: Path, ids: Sequence[str]) -> NDArray[Any]:
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


def fold_of(value: object, row_id: str, args: argparse.Namespace) -> int:
    """The fold of a row, a whole number.

    Raises:
        InputError: it is none.
    """
    try:
        return read_whole(str(value))
    except ValueError as error:
        raise InputError(
            f"{args.file}, {args.fold}: row {row_id!r} has fold {value!r}, expected a whole number"
        ) from error


def row_features(
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    row: int,
    lengths: str | None,
    args: argparse.Namespace,
) -> NDArray[Any] | None:
    """(time, dim): what a row has of a modality; None where it is missing.

    Args:
        arrays: as `load_arrays` has them.
        name: of the modality.
        row: its place.
        lengths: the array of the modality's lengths, if there is one.
        args: of preprocess.import_arrays.

    Raises:
        InputError: its length is none that the row can have.
    """
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
