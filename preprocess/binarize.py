"""Makes ``DATA/`` of a manifest and extracted features.

    python -m preprocess.binarize manifest.tsv --features FEATURES --out DATA

``FEATURES/<modality>/<id>.npy`` holds (time, dim) of one utterance, as `preprocess.extract` writes
it, and ``extractor.json`` beside it who made it; tokens (time,) have their ``dict.txt`` there, and
frames are (time, side, side, 3). An utterance whose extraction failed for a reason
on record lacks that modality; it is listed and counted.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.array_files import read_npy
from mia_fairseq.data.format.kinds import DTYPES
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import FURTHER_COLUMNS, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from preprocess.extraction.feature_folder import (
    array_path,
    dictionary_file,
    read_description,
    read_records,
)
from preprocess.media.media_files import visible
from preprocess.tables.carving import add_carving_options, carve_validation
from preprocess.tables.labelling import (
    add_label_options,
    read_further_labels,
    read_labels,
    split_name,
)
from preprocess.tables.manifest import Manifest, Row, read_manifest

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_parser("preprocess.binarize", __doc__)
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
        help="take an utterance without a feature file as lacking the modality, reason or not",
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the features")
    add_label_options(parser)
    add_carving_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    manifest = read_manifest(args.manifest)
    ids = [row.id for row in manifest.rows]
    labels = read_labels([row.label for row in manifest.rows], ids, args, str(args.manifest))
    further, further_values = read_further_labels(
        [row.further for row in manifest.rows], ids, args, str(args.manifest)
    )
    kept = [place for place in range(len(ids)) if place not in labels.left_out]
    rows = [manifest.rows[place] for place in kept]
    ids = [row.id for row in rows]
    splits = [split_name(row.split) for row in rows]
    groups = [row.group or row.id for row in rows]
    if args.valid_fraction is not None:
        splits = carve_validation(
            splits, groups, args.valid_fraction, args.valid_seed, str(args.manifest)
        )
    names = args.modalities or [p.name for p in visible(args.features, "*") if p.is_dir()]
    if not args.allow_missing:
        refuse_missing(args.features, names, ids)
    specs = {name: read_spec(args.features, name, ids) for name in names}
    tokens = [name for name, spec in specs.items() if spec.kind == "tokens"]
    with StoreWriter(
        args.out,
        corpus=args.corpus or args.manifest.resolve().parent.name,
        label=labels.spec,
        modalities=specs,
        dtype=args.dtype,
        dictionaries={name: read_dictionary(args.features, name) for name in tokens},
        further=manifest.columns,
        further_labels=further,
    ) as store:
        progress = tqdm(rows, desc="binarizing", unit="row")
        for row, split, place in zip(progress, splits, kept, strict=True):
            features = {n: read_features(array_path(args.features, n, row.id)) for n in names}
            values = labels.values[place], further_values[place]
            store.add(split, replace(utterance(row, values[0]), further=values[1]), features)
    tell_left_out(manifest)
    logger.info("wrote %s: %d rows", args.out, len(rows))


def utterance(row: Row, label: float) -> Utterance:
    """A manifest's row as the store has it."""
    kept = {column: getattr(row, column) for column in ("group", "position", *FURTHER_COLUMNS)}
    return Utterance(row.id, label, row.text or None, **kept)


def tell_left_out(manifest: Manifest) -> None:
    """Lists the rows of the manifest that could not be used."""
    for fault in manifest.faults:
        logger.warning("left out: %s: %s", fault.id, fault.reason)
    if manifest.faults:
        logger.warning("%d rows of %s are left out", len(manifest.faults), manifest.path)


def refuse_missing(folder: Path, names: Sequence[str], ids: Sequence[str]) -> None:
    """Checks that each utterance has a file in each modality, or a reason on record.

    Args:
        folder: of features.
        names: of the modalities.
        ids: of the utterances.

    Raises:
        InputError: one has neither.
    """
    for name in names:
        recorded = read_records(folder, name, "failures")
        absent = [i for i in ids if i not in recorded and not array_path(folder, name, i).is_file()]
        if absent:
            raise InputError(
                f"{folder / name}: has no file for {len(absent)} of {len(ids)} utterances, the "
                f"first {absent[0]!r}; extract them, or say --allow-missing"
            )


def read_spec(folder: Path, name: str, ids: Sequence[str]) -> ModalitySpec:
    """The modality's kind, dim, and who made it.

    Args:
        folder: of features; its ``extractor.json`` says most, the first file the dim.
        name: of the modality.
        ids: of the utterances.
    """
    about: dict[str, Any] = dict(read_description(folder, name) or {})
    if about.get("kind", "features") != "features":
        return ModalitySpec.from_json(about, str(folder / name / "extractor.json"))
    for row_id in ids:
        features = read_features(array_path(folder, name, row_id))
        if features is not None:
            extractor = str(about.pop("extractor", "unknown"))
            extra = {key: value for key, value in about.items() if key not in ("dim", "kind")}
            return ModalitySpec(np.atleast_2d(features).shape[-1], extractor, "features", extra)
    raise InputError(f"{folder / name}: has no file for any utterance; extract the modality first")


def read_dictionary(folder: Path, name: str) -> str:
    """The text of a token modality's dictionary."""
    path = dictionary_file(folder, name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the dictionary of the tokens cannot be read ({error}); remove {path.parent} "
            f"and extract {name} again"
        ) from error


def read_features(path: Path) -> NDArray[Any] | None:
    """(time, *item) of one utterance, or None where there is no file.

    Raises:
        InputError: the file is truncated, no .npy, or holds pickled objects.
    """
    try:
        return read_npy(path, "delete it and extract it again")
    except FileNotFoundError:
        return None


def command() -> None:
    """``mia-binarize``."""
    run(main)


if __name__ == "__main__":
    command()
