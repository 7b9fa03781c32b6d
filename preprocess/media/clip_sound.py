"""The sound of one utterance, from its file or from memory."""

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.media.clip import RATE, Clip


def read_clip(clip: Clip) -> NDArray[np.float32]:
    """The sound of one utterance, (N,) in [-1, 1) at 16 kHz, of its file or as it was given.

    Raises:
        InputError: as `read_audio`, and where there is neither a file nor samples.
    """
    from preprocess.media.streams import read_audio  # PyAV takes a moment to import

    if clip.samples is not None:
        first, last = (None if t is None else round(t * RATE) for t in (clip.start, clip.end))
        return clip.samples[first:last]
    if clip.path is None:
        raise InputError(f"{clip.id}: there is no file to hear")
    return read_audio(clip.path, rate=RATE, start=clip.start, end=clip.end)
