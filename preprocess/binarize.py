"""Makes ``DATA/`` of a manifest and extracted features.

    python -m preprocess.binarize manifest.tsv --features features --out DATA

``manifest.tsv`` has a header with ``id``, ``split`` and ``label``, and any of ``text``, ``group``
and ``position``; ``features/<modality>/<id>.npy`` holds (time, dim) of one utterance, and
``features/<modality>/extractor.json``, where it is there, who made it.
"""

import argparse
import csv
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mia_fairseq.command import run
from mia_fairseq.data.store import DTYPES, ModalitySpec, Utterance
from mia_fairseq.data.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from preprocess.labelling import (
    add_carving_options,
    add_label_options,
    carve_validation,
    read_labels,
    split_name,
)

logger = logging.getLogger(__name__)

Row = dict[str, str]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m preprocess.binarize", description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--features", required=True, type=Path, metavar="FOLDER")
    parser.add_argument(
        "--modalities", nargs="+", metavar="NAME", help="default: every folder in --features"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DATA")
    parser.add_argument("--corpus", help="name of the corpus (default: the manifest's folder)")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="take an utterance without a feature file as lacking the modality",
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    add_label_options(parser)
    add_carving_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    rows = read_manifest(args.manifest)
    ids = [row["id"] for row in rows]
    splits = [split_name(row["split"]) for row in rows]
    groups = [row.get("group") or row["id"] for row in rows]
    if args.valid_fraction is not None:
        splits = carve_validation(
            splits, groups, args.valid_fraction, args.valid_seed, str(args.manifest)
        )
    label, values = read_labels([row["label"] for row in rows], ids, args, str(args.manifest))
    names = args.modalities or sorted(p.name for p in args.features.glob("*") if p.is_dir())
    if not args.allow_missing:
        refuse_missing(args.features, names, ids)
    modalities = {name: read_spec(args.features / name, ids) for name in names}
    with StoreWriter(
        args.out,
        corpus=args.corpus or args.manifest.resolve().parent.name,
        label=label,
        modalities=modalities,
        dtype=args.dtype,
    ) as store:
        for row, split, value in zip(
            tqdm(rows, desc="binarizing", unit="row"), splits, values, strict=True
        ):
            position = row.get("position") or None
            utterance = Utterance(
                id=row["id"],
                label=value,
                text=row.get("text") or None,
                group=row.get("group") or None,
                position=int(position) if position is not None else None,
            )
            features = {n: read_features(args.features / n / f"{row['id']}.npy") for n in names}
            store.add(split, utterance, features)
    logger.info("wrote %s: %d rows", args.out, len(rows))


def read_manifest(path: Path) -> list[Row]:
    """The manifest's rows.

    Raises:
        InputError: no such file, no row, a column missing, or an id empty, unfit as a file's
            name, or there twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows, header = list(reader), reader.fieldnames or []
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    for column in ("id", "split", "label"):
        if column not in header:
            raise InputError(f"{path}: has no column {column!r}, it has {', '.join(header)}")
    if not rows:
        raise InputError(f"{path}: has no rows, expected one or more")
    seen: set[str] = set()
    for line, row in enumerate(rows, 2):
        row_id = row["id"]
        if not row_id or "/" in row_id or "\\" in row_id or row_id in seen:
            raise InputError(
                f"{path}, line {line}: id {row_id!r} is empty, holds a slash or is there twice; "
                "expected a name of its own"
            )
        if row["split"] is None or row["label"] is None:
            raise InputError(f"{path}, line {line}: has too few columns, expected {len(header)}")
        seen.add(row_id)
    return rows


def refuse_missing(folder: Path, names: Sequence[str], ids: Sequence[str]) -> None:
    """Raises `InputError` where a modality has no file for some utterance."""
    for name in names:
        absent = [row_id for row_id in ids if not (folder / name / f"{row_id}.npy").is_file()]
        if absent:
            raise InputError(
                f"{folder / name}: has no file for {len(absent)} of {len(ids)} utterances, the "
                f"first {absent[0]!r}; extract them, or say --allow-missing"
            )


def read_spec(folder: Path, ids: Sequence[str]) -> ModalitySpec:
    """The modality's dim, from its first file, and who made it, from extractor.json."""
    about: dict[str, Any] = {}
    described = folder / "extractor.json"
    if described.is_file():
        about = json.loads(described.read_text(encoding="utf-8"))
    for row_id in ids:
        features = read_features(folder / f"{row_id}.npy")
        if features is not None:
            about.pop("dim", None)
            about.pop("kind", None)
            return ModalitySpec(
                np.atleast_2d(features).shape[-1],
                str(about.pop("extractor", "unknown")),
                "features",
                about,
            )
    raise InputError(f"{folder}: has no file for any utterance; extract the modality first")


def read_features(path: Path) -> NDArray[Any] | None:
    """(time, dim) of one utterance, or None where there is no file.

    Raises:
        InputError: the file is truncated, no .npy, or holds pickled objects.
    """
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); delete it and extract it again"
        ) from error
    return array


if __name__ == "__main__":
    run(main)
