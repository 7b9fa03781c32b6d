"""Whisper on CTranslate2, loaded once a process, and its encoder's vectors of speech."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError, shortened
from mia_fairseq.pretrained.libraries import require_speech
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.media.clip import RATE

logger = logging.getLogger(__name__)

DIM = 384
FRAME_RATE = 50.0  # vectors a second: a mel frame every 10 ms, halved by a stride of 2
BASE = "base"  # the name of Whisper base, which hears 99 languages
LONGEST = 30  # seconds that Whisper sees at a time
FILES = ("model.bin", "config.json", "tokenizer.json")
CONVERT = (
    "convert one of transformers by: ct2-transformers-converter --model FOLDER --output_dir OUT "
    "--copy_files tokenizer.json preprocessor_config.json"
)


def speech_folder(named: str | Path | None) -> Path | None:
    """The folder of a speech model that somebody named; None: the one in the box.

    Args:
        named: ``base`` for Whisper base, which is fetched, or a folder; a folder that is called
            base is written ``./base``.
    """
    if named is None or str(named) == "":
        return None
    return fetch_model("whisper_base") if str(named) == BASE else Path(named)


def whisper(device: str = "cpu", compute_type: str = "float32", folder: Path | None = None) -> Any:
    """A faster_whisper.WhisperModel, loaded once a process, on one thread.

    Args:
        device: as torch writes it.
        compute_type: what CTranslate2 computes in.
        folder: of a Whisper in CTranslate2's format; None: the stored tiny.en.

    Raises:
        InputError: CTranslate2 knows no such device, or has none here, or the folder holds no
            Whisper that it can read.
    """
    return _loaded(device, compute_type, folder)


@functools.lru_cache(maxsize=2)
def _loaded(device: str, compute_type: str, folder: Path | None) -> Any:
    library = require_speech("faster_whisper")
    kind, _, number = device.partition(":")  # as torch writes it: cuda:1
    if not runs_on(device):
        raise InputError(
            f"device is {device!r}, which CTranslate2 does not have here, expected cpu or a GPU "
            "such as cuda or cuda:1; leave it out"
        )
    if folder is not None:
        _check_files(folder)
    try:
        return library.WhisperModel(
            str(folder or fetch_model("whisper")),
            device=kind,
            device_index=int(number or 0),
            compute_type=compute_type,
            cpu_threads=1,
            local_files_only=True,
        )
    except Exception as error:  # of tokenizers it is a bare one
        if folder is None or isinstance(error, InputError):
            raise
        raise InputError(
            f"{folder}: holds no Whisper that can be read ({shortened(error)}); {CONVERT}"
        ) from error


def _check_files(folder: Path) -> None:
    """Raises `InputError` where a file lacks; without tokenizer.json, one would be downloaded."""
    lacking = [name for name in FILES if not (folder / name).is_file()]
    if lacking:
        raise InputError(
            f"{folder}: has no {lacking[0]}, expected a Whisper in CTranslate2's format; {CONVERT}"
        )


def runs_on(device: str) -> bool:
    """Whether CTranslate2 has a device here that torch calls so."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return number in ("", "0")
    if kind != "cuda" or not (number == "" or number.isdecimal()):
        return False
    return bool(require_speech("ctranslate2").get_cuda_device_count() > int(number or 0))


def last_states(model: Any, mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last layer's states (T, d) of (80, 2 T) log-mel frames, by CTranslate2."""
    states: NDArray[np.float32] = np.asarray(model.encode(mel))[0]
    return states


def width(model: Any) -> int:
    """The numbers a vector of a model's encoder, which CTranslate2 does not tell: by trying."""
    return int(last_states(model, model.feature_extractor(np.zeros(RATE), padding=0)).shape[1])


def encode(
    model: Any,
    audio: NDArray[np.float32],
    pad_to: int = 5,
    encoder: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> NDArray[np.float32]:
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
