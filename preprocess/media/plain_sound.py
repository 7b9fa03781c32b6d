"""Plain audio files, read by soundfile: WAV, FLAC, OGG and AIFF; all else is FFmpeg's.

soundfile takes what is there of a truncated WAV or AIFF for the whole; here its header is asked. A
truncated FLAC it refuses, and FFmpeg's reader tells what lacks. OGG promises no length.
"""

import logging
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.media.media_checks import check_whole

logger = logging.getLogger(__name__)

SUFFIXES = (".wav", ".flac", ".ogg", ".aif", ".aiff")
BYTE_ORDERS = {b"RIFF": "<", b"RIFX": ">", b"FORM": ">"}
MOST_FRAMES = 1 << 40  # libsndfile says more of a FLAC whose header knows no length
STREAMED = 0x7FFF0000  # bytes; so much, or 0, writes a header that could not know its length
OGG_PAGE, OGG_LAST = 65_307, 4  # bytes at most; the flag of a last page


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
    if path.suffix.lower() == ".ogg" and end is None and not _ends_marked(path):
        logger.warning("%s: its last page is not marked as the last; it may be cut short", path)
    if not np.isfinite(samples).all():
        raise InputError(f"{path}: holds samples that are no numbers; make the file again")
    mono = samples.mean(axis=1)
    if own == rate:
        return mono.astype(np.float32, copy=False)
    from scipy.signal import resample_poly  # half a second to import, and most clips need none

    common = math.gcd(own, rate)
    resampled = resample_poly(mono, rate // common, own // common)
    return np.asarray(resampled, np.float32)


def share_there(path: Path) -> float:
    """Which share of the sound that its header promises a WAV or AIFF file holds, up to 1.

    A header of another kind, or one that was written before the length was known, promises nothing:
    1.
    """
    with path.open("rb") as file:
        order = BYTE_ORDERS.get(file.read(12)[:4])
        while order is not None and len(head := file.read(8)) == 8:
            name, size = struct.unpack(f"{order}4sI", head)
            if name in (b"data", b"SSND"):
                there = path.stat().st_size - file.tell()
                return min(1.0, there / size) if there and 0 < size < STREAMED else 1.0
            file.seek(size + size % 2, 1)
    return 1.0


def _ends_marked(path: Path) -> bool:
    """Whether the last page of an OGG file says that it is the last."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - OGG_PAGE))
        page = file.read()
    place = page.rfind(b"OggS")
    return place >= 0 and bool(page[place + 5 : place + 6] and page[place + 5] & OGG_LAST)
