"""Unpacks one ``.npz`` into a manifest and feature files, so that extractors can add to them.

    python -m preprocess.unpack_arrays FILE.npz --modalities audio --label label \
        --split split_official --group video_id --id id --text transcript --lower --out FOLDER

writes ``FOLDER/manifest.tsv`` and ``FOLDER/features/<modality>/<id>.npy``: what preprocess.extract
and preprocess.binarize take. Without ``--modalities`` it writes the manifest alone. The file is
read as preprocess.import_arrays reads it; nothing is unpickled.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.labels import one_line
from mia_fairseq.errors import InputError
from mia_fairseq.files import atomic_path
from preprocess import import_arrays
from preprocess.tables.labelling import split_name
from preprocess.tables.manifest import Row, check_rows, write_manifest
from preprocess.tables.named_arrays import load_arrays

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = command_parser("preprocess.unpack_arrays", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE.npz")
    parser.add_argument("--modalities", nargs="+", default=[], metavar="NAME", help="arrays")
    parser.add_argument("--label", required=True, metavar="NAME", help="array of labels")
    parser.add_argument("--split", required=True, metavar="NAME", help="array of split names")
    parser.add_argument("--id", required=True, metavar="NAME", help="array of row names")
    parser.add_argument("--group", metavar="NAME", help="array of videos or dialogues")
    parser.add_argument("--text", metavar="NAME", help="array of transcripts")
    parser.add_argument("--lower", action="store_true", help="transcripts in lower case")
    parser.add_argument(
        *("--positions-in-ids",),
        action="store_true",
        help="a row's position in its group is the number at the end of its id",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    given = parser.parse_args(argv)
    needed = [str(given.file), "--label", given.label, "--modalities", "x", "--out", "x"]
    of_import = import_arrays.parse_args(needed)  # for the defaults of all else
    return argparse.Namespace(**{**vars(of_import), **vars(given)})


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    arrays = load_arrays(args)
    rows = []
    for place, name in enumerate(map(str, arrays[args.id])):
        text = str(arrays[args.text][place]) if args.text else None
        rows.append(
            Row(
                id=one_line(name),
                split=split_name(arrays[args.split][place]),
                label=_label(arrays[args.label][place]),
                text=text.lower() if text and args.lower else text,
                group=str(arrays[args.group][place]) if args.group else None,
                position=_position(name, args.file) if args.positions_in_ids else None,
            )
        )
    check_rows(args.out / "manifest.tsv", rows)
    for modality in args.modalities:
        for row, vectors in zip(rows, arrays[modality], strict=True):
            path = args.out / "features" / modality / f"{row.id}.npy"
            with atomic_path(path) as partial, partial.open("wb") as written:
                np.save(written, np.atleast_2d(vectors).astype(np.float32))
    write_manifest(args.out / "manifest.tsv", rows)
    logger.info("wrote %s: %d rows", args.out / "manifest.tsv", len(rows))


def _label(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float | np.floating) else str(value)


def _position(name: str, file: Path) -> int:
    number = name.rpartition("_")[2]
    if not number.isdecimal():
        raise InputError(
            f"{file}: id {name!r} does not end in _NUMBER, so it tells no position; leave out "
            "--positions-in-ids"
        )
    return int(number)


if __name__ == "__main__":
    run(main)
