"""Plain audio files, read by soundfile: WAV, FLAC, OGG and AIFF; all else is FFmpeg's.

soundfile takes what is there of a truncated WAV, AIFF or OGG for the whole; container_ends.py asks
its bytes. A truncated FLAC it refuses, and FFmpeg's reader tells what lacks.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.media.container_ends import check_ogg_end, share_there
from preprocess.media.media_checks import check_whole

SUFFIXES = (".wav", ".flac", ".ogg", ".aif", ".aiff")
MOST_FRAMES = 1 << 40  # libsndfile says more of a FLAC whose header knows no length


def read_plain(
    path: Path, rate: int, start: float | None, end: float | None
) -> NDArray[np.float32] | None:
    """The samples between two times, mono at a rate; None where soundfile cannot read the file.

    Channels are averaged. A file of the asked rate is not resampled.

    Args:
        path: of the file.
        rate: samples a second of what is returned.
        start: seconds; None: the file's beginning.
        end: seconds; None: the file's end.

    Returns:
        (samples,) in [-1, 1].

    Raises:
        InputError: the range holds no sound, the file ends before its header says, or samples are
            no numbers.
    """
    if path.suffix.lower() not in SUFFIXES:
        return None
    try:
        with soundfile.SoundFile(path) as file:
            own, last = file.samplerate, file.frames
            if last > MOST_FRAMES:
                return None  # FFmpeg's reader finds out how long it is
            promised = last / own / share_there(path)
            check_whole(path, "sound", last / own, promised, end)
            check_ogg_end(path, last / own, end)
            first = round((start or 0.0) * own)
            last = last if end is None else min(last, round(end * own))
            if first >= last:
                return None  # FFmpeg's reader has the sentence for it
            file.seek(first)
            samples: NDArray[Any] = file.read(last - first, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        return None
    if len(samples) < last - first:
        raise InputError(
            f"{path}: its sound ends after {(first + len(samples)) / own:.1f} s where the header "
            f"promises {last / own:.1f} s; the file is truncated or damaged, so fetch it again or "
            "take it out"
        )
    if not np.isfinite(samples).all():
        raise InputError(f"{path}: holds samples that are no numbers; make the file again")
    mono = samples.mean(axis=1)
    if own == rate:
        return mono.astype(np.float32, copy=False)
    from scipy.signal import resample_poly  # half a second to import, and most clips need none

    common = math.gcd(own, rate)
    resampled = resample_poly(mono, rate // common, own // common)
    return np.asarray(resampled, np.float32)
