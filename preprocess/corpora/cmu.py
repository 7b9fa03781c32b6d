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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mia_fairseq.command import command_parser
from mia_fairseq.errors import InputError
from preprocess.corpora.cmu_folds import find_folds, read_folds
from preprocess.corpora.cmu_labels import find_labels, segments_of_csd, segments_of_table
from preprocess.corpora.cmu_transcripts import read_transcripts, transcript_files
from preprocess.corpora.common import (
    LEFT_OUT,
    Corpus,
    Media,
    finish,
    times_in_file,
)
from preprocess.tables.manifest import Row


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
    labels = labels or find_labels(raw)
    transcripts = read_transcripts(raw)
    if labels.suffix == ".csd":
        folds = folds or find_folds(raw)
        media.take(folds)
        segments = list(segments_of_csd(labels, read_folds(folds), transcripts))
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
    facts = (__doc__ or "").partition(": ")[2]
    parser = command_parser(program, f"{name}: {facts}")
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
