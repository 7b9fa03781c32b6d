"""RAVDESS speech: 24 actors speak two sentences in eight emotions; five folds of whole actors.

    python -m preprocess.corpora.ravdess CLIPS --out manifest.tsv

CLIPS holds the release's files, at any depth, as sound or video, one of each performance: names
like ``03-01-05-02-01-02-16`` say modality, vocal channel, emotion, intensity, sentence, repetition
and actor (Livingstone and Russo 2018). Speech (vocal channel 01) is read, song is not. An id is
the name without its first field, so that sound and video of one performance share it. There is no
official split: the folds are those of Luna-Jiménez et al. 2021, every row's split is ``all``, and
the group is the actor. With ``--train-on-all`` every row's split is ``train``, for a model that is
to learn from all of them, and there are no folds.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mia_fairseq.command import command_parser, run
from mia_fairseq.errors import InputError
from preprocess.corpora.common import Corpus, Media, finish, media_fault
from preprocess.tables.labelling import ALL
from preprocess.tables.manifest import Row

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SENTENCES = ("Kids are talking by the door.", "Dogs are sitting by the door.")
ACTORS_OF_FOLDS = (  # Luna-Jiménez et al. 2021
    (2, 5, 14, 15, 16),
    (3, 6, 7, 13, 18),
    (10, 11, 12, 19, 20),
    (8, 17, 21, 23, 24),
    (1, 4, 9, 22),
)
FOLD = {actor: fold for fold, actors in enumerate(ACTORS_OF_FOLDS) for actor in actors}
NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")
CLIPS = 1440  # of speech
SPEECH = "01"


def read_ravdess(clips: Path) -> Corpus:
    """The corpus in a folder; a performance that is there twice is taken once, and told.

    Raises:
        InputError: there is no such folder.
    """
    media = Media(clips)
    corpus = Corpus("RAVDESS", [])
    first: dict[str, Path] = {}
    fault: str | None
    for path in media.files.clips:
        media.take(path)
        named = NAME.fullmatch(path.stem)
        if named is None:
            corpus.faults.append((path.name, "its name is none of RAVDESS's; it is left out"))
            continue
        _, channel, emotion, _, sentence, _, actor = named.groups()
        row_id = path.stem.partition("-")[2]
        if channel != SPEECH:
            corpus.left_out.append((path.name, "it is song, and speech is what is read"))
            continue
        if row_id in first:
            fault = f"{first[row_id].name} is of the same performance; {path.name} is left out"
            corpus.faults.append((row_id, fault))
            continue
        first[row_id] = path
        if (fault := media_fault(path)) is not None:
            corpus.faults.append((row_id, fault))
        corpus.rows.append(
            Row(
                row_id,
                ALL,
                EMOTIONS[int(emotion) - 1],
                path,
                SENTENCES[int(sentence) - 1],
                group=f"actor{actor}",
                speaker=f"actor{actor}",
                fold=FOLD[int(actor)],
            )
        )
    corpus.left_out += media.left_out()
    return corpus


def main(argv: Sequence[str] | None = None) -> None:
    """Write RAVDESS's manifest."""
    parser = command_parser("preprocess.corpora.ravdess", __doc__)
    parser.add_argument("clips", type=Path, help="the folder of media files")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    parser.add_argument("--partial", action="store_true", help="go on where clips are missing")
    parser.add_argument(
        "--train-on-all", action="store_true", help="every clip is for training, none for a test"
    )
    arguments = parser.parse_args(argv)
    corpus = read_ravdess(arguments.clips)
    if arguments.train_on_all:
        corpus.rows = [replace(row, split="train", fold=None) for row in corpus.rows]
    if len(corpus.rows) != CLIPS and not arguments.partial:
        raise InputError(
            f"{arguments.clips}: {len(corpus.rows)} clips of RAVDESS's speech, not {CLIPS}; the "
            "release is not whole (give --partial to go on with what is there)"
        )
    finish(corpus, arguments.out, None, partial=True)


if __name__ == "__main__":
    run(main)
