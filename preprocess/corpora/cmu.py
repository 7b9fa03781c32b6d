"""What CMU-MOSI and CMU-MOSEI share: monologues cut into segments, a sentiment from -3 to 3 each.

Labels come from one of
- a table with ``video_id, clip_id, label, mode`` and maybe ``text`` (``label.csv`` of MMSA's
  distribution) or with ``split, id, val``;
- the SDK's labels, a ``.csd`` file; then ``--folds`` names the official folds: the SDK's own
  ``cmu_mosi_std_folds.py`` (read, never run), or the same as JSON.

Clips are found anywhere below the folder, as ``<video>_<clip>.mp4`` or ``<video>/<clip>.mp4``, or
within the whole ``<video>.mp4`` by the segment's times. Words come from the table, or from the
release's transcripts: ``<video>.annotprocessed`` (``3_DELIM_WORDS``) or ``<video>.txt``
(``<video>___<clip>___<start>___<end>___<words>``).
"""

import ast
import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mia_fairseq.command import command_parser
from mia_fairseq.data.format.labels import MOSEI_EMOTIONS, NO_LABEL, SEPARATOR
from mia_fairseq.errors import InputError
from preprocess.corpora.common import (
    LEFT_OUT,
    SPLITS,
    Corpus,
    Media,
    finish,
    known_split,
    number,
    times_in_file,
)
from preprocess.media.media_files import find_media, visible
from preprocess.tables.hdf5_files import AGAIN, open_hdf5, read_numbers, videos_of
from preprocess.tables.manifest import Row
from preprocess.tables.table_reader import read_table
from preprocess.tables.table_text import read_text

MMSA_COLUMNS = ("video_id", "clip_id", "label", "mode")
ID_COLUMNS = ("split", "id", "val")
logger = logging.getLogger(__name__)

TRANSCRIPTS = (".annotprocessed", ".txt")
NEAR = 0.15  # seconds between a label's start and its transcript's: rounding, not another segment


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


def read_cmu(
    name: str,
    raw: Path,
    labels: Path | None,
    folds: Path | None,
    target: str = "sentiment",
    leave_out_bad_labels: bool = False,
) -> Corpus:
    """The corpus in a folder.

    Args:
        name: of the corpus.
        raw: the folder.
        labels: the table or the .csd of labels; None: looked for.
        folds: the official folds; None: looked for.
        target: which labels rows get: ``sentiment``; ``emotions``, any of CMU-MOSEI's six at once;
            or ``both``, the emotions as a further label.
        leave_out_bad_labels: whether such rows are listed and left out.

    Raises:
        InputError: labels or folds cannot be had.
    """
    media = Media(raw)
    labels = labels or _find_labels(raw)
    transcripts = read_transcripts(raw)
    if labels.suffix == ".csd":
        folds = folds or _find_folds(raw)
        media.take(folds)
        segments = list(_from_csd(labels, _read_folds(folds), transcripts))
    else:
        segments = list(segments_of_table(labels))
    if target != "sentiment" and any(segment.emotions is None for segment in segments):
        raise InputError(
            f"{labels}: has no emotions, expected the SDK's CMU_MOSEI_Labels.csd, of seven "
            "columns; name it with --labels, or leave out --target"
        )
    corpus = Corpus(name, [])
    for position, segment in enumerate(segments):
        row_id = f"{segment.video}_{segment.clip}"
        if segment.fault is not None:
            if not leave_out_bad_labels:
                raise InputError(f"{segment.fault}; mend it, or say --leave-out-bad-labels")
            corpus.faults.append((row_id, LEFT_OUT + segment.fault))
            continue
        said = transcripts.get(segment.video, {}).get(segment.clip)
        if said is not None:
            segment = replace(
                segment,
                text=segment.text if segment.text is not None else said.text,
                start=segment.start if segment.start is not None else said.start,
                end=segment.end if segment.end is not None else said.end,
            )
        file, start, end = row_id, None, None
        if media.get(row_id) is None and segment.end is not None:  # no file of its own
            start, end, mended = times_in_file(segment.start, segment.end)  # for `cmu_csd` too
            if mended is not None:
                corpus.faults.append((row_id, mended))
            file = segment.video if media.get(segment.video) else row_id
        fault = media.fault(file)
        if fault is not None:
            corpus.faults.append((row_id, fault))
        if not (segment.text or "").strip():
            corpus.faults.append((row_id, "it has no words"))
        corpus.rows.append(
            Row(
                row_id,
                segment.split,
                segment.emotions if target == "emotions" and segment.emotions else segment.label,
                media.get(file),
                segment.text,
                start,
                end,
                segment.video,
                int(segment.clip) if segment.clip.isdigit() else position,
                further={"emotions": segment.emotions or ""} if target == "both" else {},
            )
        )
    for path in (labels, *transcript_files(raw)):
        media.take(path)
    corpus.left_out = media.left_out()
    return corpus


def _find_labels(raw: Path) -> Path:
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


def _from_csd(
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


def _find_folds(raw: Path) -> Path:
    found = visible(raw, "*std_folds.py", "*/*std_folds.py")
    if found:
        return found[0]
    raise InputError(
        f"{raw}: labels in a .csd say nothing of splits; name the SDK's cmu_*_std_folds.py with "
        "--folds"
    )


def _read_folds(path: Path) -> dict[str, str]:
    """{video: split} of the official folds."""
    try:
        text = path.read_text(encoding="utf-8")
        lists = json.loads(text) if path.suffix == ".json" else _literals(text)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: the folds cannot be read ({error!r})") from error
    if not isinstance(lists, dict):
        raise InputError(f"{path}: holds no names with lists of videos, as the SDK's folds have")
    folds: dict[str, str] = {}
    for split in SPLITS:
        key = f"standard_{split}_fold"
        if key not in lists:
            raise InputError(f"{path}: it has no {key}, but {', '.join(lists)}")
        named = lists[key]
        if not isinstance(named, list | tuple) or not all(isinstance(v, str) for v in named):
            raise InputError(f"{path}: {key} is {str(named)[:60]!r}, expected a list of videos")
        folds.update(dict.fromkeys(lists[key], split))
    return folds


def _literals(source: str) -> dict[str, Any]:
    """The plain values assigned in a Python file, which is read and never run."""
    return {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def transcript_files(raw: Path, *suffixes: str) -> list[Path]:
    """The release's transcripts, sorted, of these suffixes (none: of all); no hidden ones."""
    found = find_media(raw).left_out  # the one walk, so that links are followed here too
    wanted = suffixes or TRANSCRIPTS
    return [path for path, _ in found if path.suffix in wanted and path.is_file()]


def read_transcripts(raw: Path) -> dict[str, dict[str, Segment]]:
    """{video: {clip: what was said}} of the release's transcript files, in either format."""
    found: dict[str, dict[str, Segment]] = {}
    delimited, underlined = (transcript_files(raw, suffix) for suffix in TRANSCRIPTS)
    for path in delimited:
        for line in _lines(path):
            clip, mark, text = line.partition("_DELIM_")
            if mark:
                segment = Segment(path.stem, clip.strip(), "", "", text.strip())
                found.setdefault(path.stem, {})[segment.clip] = segment
    for path in underlined:
        for line in _lines(path):
            cells = line.split("___")
            if len(cells) == 5:
                video, clip, start, end, text = cells
                try:
                    times = float(start), float(end)
                except ValueError as error:
                    raise InputError(f"{path}: {error} in the line of {video}, {clip}") from error
                found.setdefault(video, {})[clip] = Segment(video, clip, "", "", text, *times)
    return found


def _lines(path: Path) -> list[str]:
    return read_text(path, logger.warning).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def run(
    name: str,
    program: str,
    known: Mapping[str, int],
    argv: Sequence[str] | None,
    *,
    emotions: bool = False,
) -> None:
    """The command line of both corpora.

    Args:
        name: of the corpus.
        program: the module's name.
        known: official rows of each split.
        argv: None: the process's own.
        emotions: whether the corpus has any.
    """
    parser = command_parser(program, f"{name}: {__doc__}")
    parser.add_argument("raw", type=Path, help="the folder of the unpacked release")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    parser.add_argument("--labels", type=Path, help="table or .csd of labels (default: found)")
    parser.add_argument("--folds", type=Path, help="the official folds, for labels in a .csd")
    parser.add_argument("--partial", action="store_true", help="go on where rows are missing")
    parser.add_argument(
        "--leave-out-bad-labels",
        action="store_true",
        help="leave out segments whose sentiment is out of range, listed as faults",
    )
    if emotions:
        parser.add_argument(
            "--target",
            choices=("sentiment", "emotions", "both"),
            default="sentiment",
            help="what labels are: the sentiment; the six emotions at once, such as happy+sad "
            "(preprocess.binarize --multilabel happy sad anger surprise disgust fear); or both, "
            "the emotions as a further label (see fairseq-train --further-labels)",
        )
    arguments = parser.parse_args(argv)
    target = getattr(arguments, "target", "sentiment")
    corpus = read_cmu(
        *(name, arguments.raw, arguments.labels, arguments.folds, target),
        arguments.leave_out_bad_labels,
    )
    finish(corpus, arguments.out, known, arguments.partial)
