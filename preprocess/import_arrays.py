"""Imports published features from one ``.npz`` into ``DATA/``.

    python -m preprocess.import_arrays FILE.npz --modalities text audio video \
        --label label --split split --out DATA

Each modality is an array (rows, dim) or (rows, time, dim); label, split and the rest are arrays
(rows,). Nothing is unpickled.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from mia_fairseq.command import command_parser, run
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
from preprocess.tables.named_arrays import (
    fold_of,
    further_arrays,
    length_arrays,
    load_arrays,
    row_features,
    vectors_of,
)
from preprocess.tables.same_names import one_name

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
        arrays[name] = vectors_of(folder, ids)
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
    named = further_arrays(args)
    others = [{n: arrays[array][row].item() for n, array in named.items()} for row in range(rows)]
    further, further_values = read_further_labels(others, ids, args, str(args.file))
    modalities = {
        name: ModalitySpec(arrays[name].shape[-1], args.extractor) for name in args.modalities
    }
    lengths = length_arrays(args)
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
                fold=fold_of(arrays[args.fold][row], ids[row], args) if args.fold else None,
            )
            store.add(
                splits[row],
                utterance,
                {
                    name: row_features(arrays, name, row, lengths.get(name), args)
                    for name in args.modalities
                },
            )
    counts = Counter(splits[row] for row in kept)
    logger.info("wrote %s: %s", args.out, ", ".join(f"{n} {c}" for n, c in counts.items()))


if __name__ == "__main__":
    run(main)
