"""The words of the clips of a manifest that have none, as Whisper hears them.

    python -m preprocess.transcribe manifest.tsv --out with_words.tsv
    python -m preprocess.transcribe manifest.tsv --out with_words.tsv \\
      --speech-model FOLDER --language de

Where nobody speaks, a clip's text stays empty. The model in the box hears English. The same command
goes on where a killed one stopped.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tqdm import tqdm

from mia_fairseq.command import command_parser, run
from mia_fairseq.errors import InputError, reason_of
from mia_fairseq.files import check_is_no_folder, only_writer, telling_full_disk
from preprocess.media.kept_words import KeptWords
from preprocess.media.spoken_language import (
    IN_THE_BOX,
    Speech,
    add_speech_options,
    speech_of,
)
from preprocess.tables.manifest import Row, read_manifest, write_manifest


def fill_in_words(
    manifest_path: Path, out: Path, speech: Speech = IN_THE_BOX
) -> tuple[int, list[tuple[str, str]]]:
    """Write the manifest again with words where a clip had no text.

    Args:
        manifest_path: the manifest.
        out: where it is written with the words.
        speech: which model hears, and in which language.

    Returns:
        How many texts were filled in, and (id, reason) of the clips that could not be heard; those
        stay in the table, without text.

    Raises:
        InputError: the manifest cannot be read, or the speech model, or it does not hear the
            language.
    """
    from preprocess.media.speech_words import speech_model

    manifest = read_manifest(manifest_path)
    if speech != IN_THE_BOX:
        speech_model(speech)  # what is wrong with it is wrong with no clip
    rows, filled, failures = [], 0, []
    check_is_no_folder(out)
    with telling_full_disk(out.parent), only_writer(out), KeptWords(out, speech) as kept:
        for row in tqdm(manifest.rows, desc="words", unit="clip"):
            if not (row.text or "").strip():
                try:
                    row = dataclasses.replace(row, text=_words(row, speech, kept))
                    filled += 1
                except Exception as error:  # whatever a decoder makes of a bad file
                    failures.append((row.id, reason_of(error)))
                else:  # outside of it: that a disk is full is no fault of a clip
                    kept.keep((cast(Path, row.path), row.start, row.end), row.text or "")
            rows.append(row)
        write_manifest(out, rows)
    failures += [(fault.id, f"left out: {fault.reason}") for fault in manifest.faults]
    return filled, failures


def _words(row: Row, speech: Speech, kept: KeptWords) -> str:
    """What is said in a row's clip, heard now or by a run before.

    Raises:
        InputError: it has no file, or none that can be heard.
    """
    from preprocess.media.clip import RATE
    from preprocess.media.speech_words import transcribe
    from preprocess.media.streams import read_audio

    if row.path is None:
        raise InputError("no media file is named for it")
    if not row.path.is_file():
        raise InputError(f"{row.path}: there is no such file; check the path in the manifest")
    piece = (row.path, row.start, row.end)
    words = kept.find(piece)
    if words is None:
        audio = read_audio(row.path, rate=RATE, start=row.start, end=row.end)
        words = transcribe(audio, speech=speech).text
    return words


def main(argv: Sequence[str] | None = None) -> None:
    """Fill in the words that a manifest lacks."""
    parser = command_parser("preprocess.transcribe", __doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    add_speech_options(parser)
    arguments = parser.parse_args(argv)
    filled, failures = fill_in_words(arguments.manifest, arguments.out, speech_of(arguments))
    sys.stdout.write(f"{arguments.out}: {filled} texts filled in, {len(failures)} could not be\n")
    for clip_id, reason in failures:
        sys.stdout.write(f"  {clip_id}: {reason}\n")


if __name__ == "__main__":
    run(main)
