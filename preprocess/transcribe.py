"""The words of the clips of a manifest that have none, as Whisper hears them.

    python -m preprocess.transcribe manifest.tsv --out with_words.tsv
    python -m preprocess.transcribe manifest.tsv --out with_words.tsv \\
      --speech-model FOLDER --language de

Where nobody speaks, a clip's text stays empty. The model in the box hears English.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from mia_fairseq.command import command_parser, run
from mia_fairseq.errors import InputError
from preprocess.media.spoken_language import (
    IN_THE_BOX,
    Speech,
    add_speech_options,
    speech_of,
)
from preprocess.tables.manifest import read_manifest, write_manifest


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
    from preprocess.media.clip import RATE
    from preprocess.media.speech_words import speech_model, transcribe
    from preprocess.media.streams import read_audio

    manifest = read_manifest(manifest_path)
    if speech != IN_THE_BOX:
        speech_model(speech)  # what is wrong with it is wrong with no clip
    rows, filled, failures = [], 0, []
    for row in tqdm(manifest.rows, desc="words", unit="clip"):
        if not (row.text or "").strip():
            try:
                if row.path is None:
                    raise InputError("no media file is named for it")
                audio = read_audio(row.path, rate=RATE, start=row.start, end=row.end)
                row = dataclasses.replace(row, text=transcribe(audio, speech=speech).text)
                filled += 1
            except InputError as error:
                failures.append((row.id, str(error)))
        rows.append(row)
    write_manifest(out, rows)
    failures += [(fault.id, f"left out: {fault.reason}") for fault in manifest.faults]
    return filled, failures


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
