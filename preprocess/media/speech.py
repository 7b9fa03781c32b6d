"""Whisper tiny.en on CTranslate2: vectors of speech, and its words.

    python -m preprocess.media.speech manifest.tsv --out with_words.tsv

fills in the text of every clip that has none. Words are gated by voice activity (Silero's network,
which faster-whisper ships): on silence or noise Whisper would make them up.
"""

import argparse
import dataclasses
import functools
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mia_fairseq.errors import InputError, show_input_errors_as_sentences
from mia_fairseq.pretrained.libraries import require
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.media.clip_audio import RATE
from preprocess.tables.manifest import read_manifest, write_manifest

logger = logging.getLogger(__name__)

DIM = 384
FRAME_RATE = 50.0  # vectors a second: a mel frame every 10 ms, halved by a stride of 2
LONGEST = 30  # seconds that Whisper sees at a time


@functools.lru_cache(maxsize=2)
def whisper(device: str = "cpu", compute_type: str = "float32") -> Any:
    """The stored faster_whisper.WhisperModel, loaded once a process, on one thread."""
    library = require("faster_whisper", "faster-whisper", "Whisper speech")
    folder = fetch_model("whisper")
    return library.WhisperModel(
        str(folder), device=device, compute_type=compute_type, cpu_threads=1, local_files_only=True
    )


def last_states(model: Any, mel: np.ndarray) -> np.ndarray:
    """The last layer's states (T, d) of (80, 2 T) log-mel frames, by CTranslate2."""
    states: np.ndarray = np.asarray(model.encode(mel))[0]
    return states


def encode(
    model: Any,
    audio: np.ndarray,
    pad_to: int = 5,
    encoder: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Whisper's encoder states of some audio.

    Args:
        model: from `whisper`.
        audio: (N,) float32 at 16 kHz.
        pad_to: the last window is filled up with silence to a multiple of this many seconds, at
            most 30. Whisper was trained with 30; the encoder's cost grows with it, so a clip of 3
            seconds costs a tenth at 5.
        encoder: of log-mel frames; None: the model's own (`last_states`).

    Returns (T, 384) float32, T = ceil(N / 320): 50 vectors a second of the audio, padding dropped.
    """
    states = []
    for first in range(0, len(audio), LONGEST * RATE):
        window = audio[first : first + LONGEST * RATE]
        seconds = min(LONGEST, -(-len(window) // (pad_to * RATE)) * pad_to)
        padded = np.pad(window, (0, seconds * RATE - len(window)))
        mel = model.feature_extractor(padded, padding=0)  # (80, 100 * seconds)
        hidden = last_states(model, mel) if encoder is None else encoder(mel)  # (50 * seconds, d)
        states.append(hidden[: -(-len(window) // 320)])
    return np.concatenate(states).astype(np.float32, copy=False)


def transcribe(audio: np.ndarray, device: str = "cpu") -> str:
    """The words of some audio, (N,) float32 at 16 kHz; '' where nobody speaks."""
    if len(audio) == 0:
        return ""
    segments, _ = whisper(device).transcribe(
        audio,
        language="en",
        vad_filter=True,
        temperature=0.0,  # anything above samples at random
        condition_on_previous_text=False,
    )
    return " ".join(segment.text.strip() for segment in segments).strip()


def fill_in_words(manifest_path: Path, out: Path) -> tuple[int, list[tuple[str, str]]]:
    """Write the manifest again with words where a clip had no text.

    Returns how many texts were filled in, and (id, reason) of the clips that could not be heard;
    those stay in the table, without text.
    """
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
    parser = argparse.ArgumentParser(prog="python -m preprocess.media.speech", description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    arguments = parser.parse_args(argv)
    filled, failures = fill_in_words(arguments.manifest, arguments.out)
    sys.stdout.write(f"{arguments.out}: {filled} texts filled in, {len(failures)} could not be\n")
    for clip_id, reason in failures:
        sys.stdout.write(f"  {clip_id}: {reason}\n")


if __name__ == "__main__":
    show_input_errors_as_sentences()
    main()
