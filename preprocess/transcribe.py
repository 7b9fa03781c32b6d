"""The words of the clips of a manifest that have none, as Whisper hears them.

    python -m preprocess.transcribe manifest.tsv --out with_words.tsv

Where nobody speaks, a clip's text stays empty.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from mia_fairseq.command import run
from mia_fairseq.errors import InputError
from preprocess.tables.manifest import read_manifest, write_manifest


def fill_in_words(manifest_path: Path, out: Path) -> tuple[int, list[tuple[str, str]]]:
    """Write the manifest again with words where a clip had no text.

    Args:
        manifest_path: the manifest.
        out: where it is written with the words.

    Returns:
        How many texts were filled in, and (id, reason) of the clips that could not be heard; those
        stay in the table, without text.
    """
    from preprocess.media.clip import RATE
    from preprocess.media.speech_words import transcribe
    from preprocess.media.streams import read_audio

    manifest = read_manifest(manifest_path)
    rows, filled, failures = [], 0, []
    for row in tqdm(manifest.rows, desc="words", unit="clip"):
        if not (row.text or "").strip():
            try:
                if row.path is None:
                    raise InputError("no media file is named for it")
                audio = read_audio(row.path, rate=RATE, start=row.start, end=row.end)
                row = dataclasses.replace(row, text=transcribe(audio))
                filled += 1
            except InputError as error:
                failures.append((row.id, str(error)))
        rows.append(row)
    write_manifest(out, rows)
    failures += [(fault.id, f"left out: {fault.reason}") for fault in manifest.faults]
    return filled, failures


def main(argv: Sequence[str] | None = None) -> None:
    """Fill in the words that a manifest lacks."""
    parser = argparse.ArgumentParser(prog="python -m preprocess.transcribe", description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    arguments = parser.parse_args(argv)
    filled, failures = fill_in_words(arguments.manifest, arguments.out)
    sys.stdout.write(f"{arguments.out}: {filled} texts filled in, {len(failures)} could not be\n")
    for clip_id, reason in failures:
        sys.stdout.write(f"  {clip_id}: {reason}\n")


if __name__ == "__main__":
    run(main)
