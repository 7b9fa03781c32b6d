"""The labelled segments of CMU-MOSI and CMU-MOSEI, from a table or from the SDK's ``.csd`` file."""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mia_fairseq.data.format.labels import MOSEI_EMOTIONS, NO_LABEL, SEPARATOR
from mia_fairseq.errors import InputError
from preprocess.corpora.common import known_split, number
from preprocess.media.media_files import visible
from preprocess.tables.hdf5_files import AGAIN, open_hdf5, read_numbers, videos_of
from preprocess.tables.table_reader import read_table

MMSA_COLUMNS = ("video_id", "clip_id", "label", "mode")
ID_COLUMNS = ("split", "id", "val")
NEAR = 0.15  # seconds between a label's start and its transcript's: rounding, not another segment
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segment:
    """One labelled stretch of a video."""

    video: str
    clip: str
    split: str
    label: str
    text: str | None = None
    start: float | None = None
    end: float | None = None
    emotions: str | None = None  # such as happy+sad
    fault: str | None = None  # what is wrong with its label


def find_labels(raw: Path) -> Path:
    found = visible(raw, "label*.csv", "*/label*.csv", "*abel*.csd", "*/*abel*.csd")
    if found:
        return found[0]
    raise InputError(
        f"{raw}: there is no label.csv and no labels' .csd in it; name one with --labels"
    )


def segments_of_table(path: Path) -> Iterator[Segment]:
    """The labelled segments of a table, in its order.

    Raises:
        InputError: it cannot be read, or its columns are none of the two kinds (see the module).
    """
    table = read_table(path, (), (*MMSA_COLUMNS, *ID_COLUMNS, "text"))
    if not table.rows:
        raise InputError(f"{path}: the table of labels has no rows")
    by_clip = set(MMSA_COLUMNS) <= set(table.columns)
    if not by_clip and not set(ID_COLUMNS) <= set(table.columns):
        raise InputError(
            f"{path}: columns {', '.join(table.columns)}; expected {', '.join(MMSA_COLUMNS)}, or "
            f"{', '.join(ID_COLUMNS)}"
        )
    for row in table.rows:
        line, where = row.cells, table.where(row)
        if by_clip:
            video, clip = line["video_id"].strip(), line["clip_id"].strip()
            split, label = line["mode"], line["label"]
        else:
            video, _, clip = line["id"].strip().rpartition("_")
            split, label = line["split"], line["val"]
        label, fault = _sentiment(label, where)
        split = known_split(split, where)
        yield Segment(video, clip, split, label, line.get("text"), fault=fault)


def segments_of_csd(
    path: Path, folds: Mapping[str, str], transcripts: Mapping[str, Mapping[str, Segment]]
) -> Iterator[Segment]:
    """The SDK's labels; a video's segments are told apart by the transcript's times, or counted."""
    with open_hdf5(path) as file:
        _, data = videos_of(file, path)
        unnamed = [video for video in data if video not in folds]
        if unnamed:  # the SDK labels more videos than its folds name
            logger.warning(
                "%s: %d of %d videos with labels are in none of the folds and left out, such as %s",
                *(path, len(unnamed), len(data), unnamed[0]),
            )
        for video in data:
            if video not in folds:
                continue
            features = read_numbers(data[video], "features", path)
            intervals = read_numbers(data[video], "intervals", path, 2)
            if len(features) != len(intervals):
                raise InputError(
                    f"{path}, {video}: has {len(features)} labels for {len(intervals)} intervals; "
                    f"{AGAIN}"
                )
            clips = _clips(transcripts.get(video, {}), [float(start) for start, _ in intervals])
            for clip, scores, (start, end) in zip(clips, features, intervals, strict=True):
                label, fault = _sentiment(f"{float(scores[0]):.6g}", f"{path}, {video}")
                times, emotions = (float(start), float(end)), _emotions(scores)
                yield Segment(video, clip, folds[video], label, None, *times, emotions, fault)


def _sentiment(label: str, where: str) -> tuple[str, str | None]:
    """A sentiment as manifests hold it, and what is wrong with it."""
    try:
        return number(label, -3, 3, where), None
    except InputError as error:
        return label, str(error)


def _emotions(scores: Any) -> str | None:
    """Which of the six are there: those with more than 0, as CMU-MOSEI's papers count them."""
    if len(scores) != 1 + len(MOSEI_EMOTIONS):
        return None
    found = zip(MOSEI_EMOTIONS, scores[1:], strict=True)
    return SEPARATOR.join(name for name, score in found if score > 0) or NO_LABEL


def _clips(spoken: Mapping[str, Segment], starts: Sequence[float]) -> list[str]:
    """The clip of each label of a video, no two alike.

    It is the one that the transcript has nearest to the label's start, or else the label's number,
    or the first after it that no other clip has.
    """
    timed = {clip: said.start for clip, said in spoken.items() if said.start is not None}
    distances = sorted(
        (abs(begin - start), row, clip)
        for row, start in enumerate(starts)
        for clip, begin in timed.items()
    )
    found: dict[int, str] = {}
    for distance, row, clip in distances:
        if distance < NEAR and row not in found and clip not in found.values():
            found[row] = clip
    taken = set(timed)
    for row in range(len(starts)):
        if row not in found:
            numbers = map(str, itertools.count(row + 1))
            found[row] = next(number for number in numbers if number not in taken)
            taken.add(found[row])
    return [found[row] for row in range(len(starts))]
