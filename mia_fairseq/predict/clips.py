"""The clips that a user names, and the words that are spoken in them."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError, reason_of
from preprocess.media.clip import RATE, Clip
from preprocess.media.media_files import MEDIA_SUFFIXES, find_media
from preprocess.media.spoken_language import IN_THE_BOX, Speech

logger = logging.getLogger(__name__)

MOST = 32  # channels of a recording
LOUDEST = 2.0  # of full scale: filters overshoot 1 a little; numbers of 16 bits are far above


def find_clips(paths: Sequence[Path], text: str | None) -> list[Clip]:
    """The media files that paths name, folders searched through, with their words.

    What a folder holds and is no clip is told, and so is a clip of it that was found before.

    Raises:
        InputError: a path is not there, a folder holds no media, or one text is given for several.
    """
    files: list[Path] = []
    known: dict[Path, Path] = {}  # of each file's own place, the path that it is read by
    for path in paths:
        if path.is_dir():
            inside = find_media(path)
            for file, reason in inside.left_out:
                logger.warning("left out: %s: %s", _name(file), reason)
            if not inside.clips:
                raise InputError(
                    f"{path}: holds no media file ({', '.join(sorted(MEDIA_SUFFIXES))}) and is no "
                    "DATA folder"
                )
            for file in inside.clips:
                earlier = known.setdefault(file.resolve(), file)
                if earlier is file:
                    files.append(file)
                else:
                    logger.warning(
                        "left out: %s: it is taken already, as %s", _name(file), _name(earlier)
                    )
        elif path.is_file():
            files.append(path)
            known.setdefault(path.resolve(), path)
        else:
            raise InputError(f"{path}: no such file or folder")
    found = [Clip(_name(file), file, text) for file in files]
    check_one_text(found, text)
    return found


def words_alone(text: str) -> Clip:
    """Words that belong to no clip, as one without a picture or a sound."""
    return Clip("text", None, text)


def check_one_text(clips: Sequence[Clip], text: str | None) -> None:
    """Raises `InputError` where one text is given for several clips."""
    if text is not None and len(clips) > 1:
        raise InputError(f"--text is given for {len(clips)} clips; predict them one at a time")


def clip_of_sound(sound: NDArray[Any], rate: int, name: str, text: str | None = None) -> Clip:
    """A clip of sound that is in no file.

    Args:
        sound: (N,) or (N, channels); floats in [-1, 1], or whole numbers of 16 bits.
        rate: samples a second.
        name: for the answer.
        text: the words, where they are known.

    Raises:
        InputError: it is no such array, or holds no sound or numbers that are not finite.
    """
    where = f"{name}: is an array of {sound.dtype} of shape {sound.shape}"
    if sound.ndim not in (1, 2) or not sound.size or (sound.ndim == 2 and sound.shape[1] > MOST):
        raise InputError(f"{where}, expected samples (N,), or (N, channels); turn it round?")
    if sound.dtype == np.int16:
        samples = sound.astype(np.float32) / 32768.0
    elif np.issubdtype(sound.dtype, np.floating):
        samples = sound.astype(np.float32)
    else:
        raise InputError(f"{where}, expected floats in [-1, 1] or int16; convert it")
    loudest = float(np.abs(samples).max())
    if not np.isfinite(loudest) or loudest > LOUDEST:
        raise InputError(
            f"{where} and reaches {loudest:g}, expected numbers in [-1, 1]; scale it to that"
        )
    if not isinstance(rate, int) or not 1000 <= rate <= 768_000:
        raise InputError(f"rate is {rate!r}, expected the samples a second, such as 16000")
    samples = samples if samples.ndim == 1 else samples.mean(axis=1)
    if rate != RATE:
        from scipy.signal import resample_poly  # half a second to import

        divisor = math.gcd(rate, RATE)
        samples = resample_poly(samples, RATE // divisor, rate // divisor).astype(np.float32)
    return Clip(name, None, text, samples=samples)


def _name(file: Path) -> str:
    """A file's path as text; bytes of it that are no UTF-8 as numbers."""
    return str(file).encode(errors="backslashreplace").decode()


def listen(clips: Sequence[Clip], speech: Speech = IN_THE_BOX) -> list[Clip]:
    """The clips with words: those that are known, else those that are spoken in them.

    Words are '' where nobody speaks, and where the file cannot be heard, which is told.

    Args:
        clips: a text of None is heard.
        speech: which model hears, and in which language.

    Raises:
        InputError: the speech model cannot be read, or does not hear the language.
    """
    from preprocess.media.clip_sound import read_clip
    from preprocess.media.speech_words import speech_model, transcribe

    if speech != IN_THE_BOX and any(clip.text is None for clip in clips):
        speech_model(speech)  # what is wrong with it is wrong with no clip
    heard = []
    for clip in clips:
        if clip.text is not None:
            heard.append(replace(clip, language=speech.language or ""))
            continue
        words = language = unheard = ""
        try:
            if clip.path is not None or clip.samples is not None:
                words, language = transcribe(read_clip(clip), speech=speech)
        except Exception as error:  # whatever a decoder makes of a bad file; others are answered
            unheard = reason_of(error)
            logger.warning("%s: no words: %s", clip.id, unheard)
        heard.append(replace(clip, text=words, language=language, unheard=unheard))
    return heard
