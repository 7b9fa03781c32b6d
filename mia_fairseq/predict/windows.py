"""Long recordings cut at the pauses of speech: a clip for each stretch that somebody speaks."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.pretrained.libraries import require_speech
from preprocess.media.clip import RATE, Clip
from preprocess.media.streams import read_audio

logger = logging.getLogger(__name__)

PAUSE = 0.5  # seconds of silence that end a stretch
LONGEST = 20.0  # seconds of a stretch; an utterance of the corpora has about four
EDGE = 0.2  # seconds that are kept around what is spoken
_NOTHING = np.empty(0, np.float32)


def speech_stretches(audio: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Where somebody speaks, by Silero's network that faster-whisper ships.

    Args:
        audio: (N,) at 16 kHz.

    Returns:
        (start, end) in seconds, in order, none longer than `LONGEST`.
    """
    vad = require_speech("faster_whisper.vad")
    options = vad.VadOptions(
        min_silence_duration_ms=int(1000 * PAUSE),
        max_speech_duration_s=LONGEST,
        speech_pad_ms=int(1000 * EDGE),
    )
    found = vad.get_speech_timestamps(audio, options)
    return [(part["start"] / RATE, part["end"] / RATE) for part in found]


def _sound(clip: Clip) -> NDArray[np.float32]:
    if clip.path is None:
        return _NOTHING
    return read_audio(clip.path, start=clip.start, end=clip.end)


def cut_at_pauses(clips: Sequence[Clip]) -> list[Clip]:
    """Each clip's stretches of speech, with their times; a clip without any stays whole.

    The words that are known of a clip stay with it where it is one stretch, else they are heard.
    """
    cut = []
    for clip in clips:
        try:
            audio = _sound(clip)
        except Exception as error:  # whatever a decoder makes of a bad file; others are cut
            logger.debug("%s: %s", clip.id, error)  # whoever reads it for an answer will tell
            audio = _NOTHING
        stretches = speech_stretches(audio) if len(audio) else []
        if not stretches:
            logger.warning("%s: nobody speaks in it, so it is not cut", clip.id)
            cut.append(clip)
            continue
        begin = clip.start or 0.0
        text = clip.text if len(stretches) == 1 else None
        cut += [
            replace(clip, text=text, start=round(begin + start, 2), end=round(begin + end, 2))
            for start, end in stretches
        ]
    return cut
