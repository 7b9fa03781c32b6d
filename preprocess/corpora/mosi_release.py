"""CMU-MOSI's utterance features as bc-LSTM's release has them, as the one .npz that recipes take.

    python -m preprocess.corpora.mosi_release bc-LSTM/data --labels labels.csv --out mosi.npz

The release (declare-lab/multimodal-deep-learning, ``bc-LSTM/data``, MIT) has ``transcripts.csv``
(id, words, number of the video, whether positive), ``text_train.csv`` and ``text_test.csv``, whose
first column says which line of it each row is, counted from 0, and in the same order
``text/text_train0.csv`` and its like: features, then whether positive. It holds no scores. They
come from another table, by id: one with ``video_id, clip_id, label, mode`` or ``split, id, val``,
as `preprocess.corpora.mosi` reads it. Rows stand in that table's order.

Text and video features were trained on the labels of the 62 training videos of ``split_bclstm``,
558 of whose utterances are in the official test split: with them, use ``split_bclstm`` only.
"""

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.command import command_parser, run
from mia_fairseq.errors import InputError
from mia_fairseq.files import atomic_path, check_is_no_device
from preprocess.corpora.cmu_labels import segments_of_table

logger = logging.getLogger(__name__)

MODALITIES = ("text", "audio", "video")


@dataclass
class ReleasedRow:
    """One utterance of the release.

    Attributes:
        split: train or test, of bc-LSTM.
        transcript: its words.
        features: (d,) by modality.
    """

    split: str
    transcript: str
    features: dict[str, NDArray[np.float32]]


def read_release(folder: Path) -> dict[str, ReleasedRow]:
    """All utterances of the release, by id.

    Args:
        folder: ``bc-LSTM/data``.

    Raises:
        InputError: a file is missing, is no table of numbers, or does not fit the others.
    """
    utterances = _cells(folder / "transcripts.csv", least=2)
    found: dict[str, ReleasedRow] = {}
    for split in ("train", "test"):
        listing = folder / f"text_{split}.csv"
        places = [_place(cells[0], listing, len(utterances)) for cells in _cells(listing, least=1)]
        tables = {
            name: _numbers(folder / name / f"{name}_{split}0.csv", len(places))
            for name in MODALITIES
        }
        for row, place in enumerate(places):
            name, transcript = utterances[place][:2]
            if name in found:
                raise InputError(f"{listing}: {name} is there twice; fetch the release again")
            features = {modality: table[row] for modality, table in tables.items()}
            found[name] = ReleasedRow(split, transcript, features)
    widths = {tuple(map(len, row.features.values())) for row in found.values()}
    if len(widths) > 1:
        raise InputError(
            f"{folder}: training and test rows have unlike widths, {sorted(widths)} of "
            f"{', '.join(MODALITIES)}; fetch the release again"
        )
    return found


def _cells(path: Path, least: int) -> list[list[str]]:
    check_is_no_device(path)
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = [cells for cells in csv.reader(file) if cells]
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(
            f"{path}: no such file; give the folder bc-LSTM/data of the release"
        ) from error
    except csv.Error as error:
        raise InputError(f"{path}: is no table ({error}); fetch the release again") from error
    if not rows or min(map(len, rows)) < least:
        raise InputError(f"{path}: has no rows of {least} or more cells; fetch the release again")
    return rows


def _place(cell: str, path: Path, count: int) -> int:
    if not (cell.isdecimal() and int(cell) < count):
        raise InputError(
            f"{path}: names line {cell!r} of transcripts.csv, which has 0 to {count - 1}; fetch "
            "the release again"
        )
    return int(cell)


def _numbers(path: Path, count: int) -> NDArray[np.float32]:
    """(count, d) features; the last column, whether positive, is left out."""
    rows = _cells(path, least=2)
    try:
        table = np.array([[float(cell) for cell in cells] for cells in rows], np.float32)
    except ValueError as error:
        raise InputError(f"{path}: {error}; expected rows of numbers, all of one length") from error
    if len(table) != count or not np.isfinite(table).all():
        raise InputError(
            f"{path}: has {len(table)} rows of finite numbers, expected {count}; fetch the release "
            "again"
        )
    return table[:, :-1]


def collect(release: Mapping[str, ReleasedRow], labels: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the .npz, a row for each labelled segment that the release has, in that order.

    Args:
        release: of `read_release`.
        labels: a table that `segments_of_table` reads.

    Raises:
        InputError: the table cannot be read, lacks an utterance, has one twice, or a score is none.
    """
    segments = {f"{segment.video}_{segment.clip}": segment for segment in segments_of_table(labels)}
    missing = [name for name in release if name not in segments]
    if missing:
        raise InputError(
            f"{labels}: has no score of {len(missing)} utterances of the release, such as "
            f"{missing[0]}; give the table of all of CMU-MOSI's scores"
        )
    kept = [name for name in segments if name in release]
    faults = [fault for name in kept if (fault := segments[name].fault) is not None]
    if faults:
        raise InputError(f"{faults[0]}; mend it")
    if len(kept) < len(segments):
        left = len(segments) - len(kept)
        logger.warning("left out: %d rows of %s that the release lacks", left, labels)
    arrays: dict[str, NDArray[Any]] = {
        "id": np.array(kept),
        "video_id": np.array([segments[name].video for name in kept]),
        "split_official": np.array([segments[name].split for name in kept]),
        "split_bclstm": np.array([release[name].split for name in kept]),
        "label": np.array([float(segments[name].label) for name in kept], np.float32),
        "transcript": np.array([release[name].transcript for name in kept]),
    }
    for modality in MODALITIES:
        arrays[modality] = np.stack([release[name].features[modality] for name in kept])
    return arrays


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser("preprocess.corpora.mosi_release", __doc__)
    parser.add_argument("folder", type=Path, metavar="bc-LSTM/data")
    parser.add_argument("--labels", required=True, type=Path, metavar="LABELS.csv")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.npz")
    args = parser.parse_args(argv)
    if args.out.suffix != ".npz":
        raise InputError(f"--out {args.out}: expected the name of an .npz file")
    arrays = collect(read_release(args.folder), args.labels)
    with atomic_path(args.out) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    counts = {name: int((arrays["split_bclstm"] == name).sum()) for name in ("train", "test")}
    logger.info("wrote %s: %s utterances of bc-LSTM's split", args.out, counts)


if __name__ == "__main__":
    run(main)
