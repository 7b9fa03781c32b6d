"""What every audio extractor does first: a clip's samples, or why there are none."""

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.extractors.base import Clip, Extractor, Failure

SILENT = 1e-4  # of full scale: some three steps of 16-bit sound; no microphone is that quiet


def clip_audio(extractor: Extractor, clip: Clip) -> NDArray[np.float32] | Failure:
    """The clip's samples, float32 mono at 16 kHz, shape (N,) with N > 0; silence is noted."""
    from preprocess.media.clip_sound import read_clip

    if clip.path is None and clip.samples is None:
        return Failure("no media file is named for it")
    try:
        with extractor.stage("decode"):
            audio: NDArray[np.float32] = read_clip(clip)
    except InputError as error:
        return Failure(str(error))
    if len(audio) == 0:
        return Failure(
            f"{clip.path.name if clip.path else clip.id} has no sound between its start and end"
        )
    if float(np.abs(audio).max()) < SILENT:
        extractor.note(clip, "its sound is silence")
    return audio
