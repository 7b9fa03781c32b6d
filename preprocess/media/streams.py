"""Sound and pictures of a clip: containers by FFmpeg through PyAV, plain audio by soundfile.

Written policy, tested in tests/preprocess/media/:

- A file that cannot be read, a track that is asked for and absent, a range beyond the end, an MP4,
  MOV, WAV, AIFF, FLAC, Matroska, WebM or AVI whose track ends well before the length its header
  promises, and an OGG that ends within a page raise `InputError` with one sentence. A caller that
  works on a corpus turns it into one counted failure.
- A damaged packet inside a track is skipped, as FFmpeg's own tools do, and logged with its count.
- Times are seconds from the beginning of the file, so a transport stream that starts at 1.4 s
  starts at 0 here. A range is half open: `start` <= t < `end`.
- Sound keeps that time: sample i of a whole file is heard at i / rate. Silence stands where the
  track begins late or has a hole of more than 0.1 s.
- Pictures come out upright, as `preprocess.media.orientation` has it, with square pixels; cover art
  is no video track.
- Decoding uses one thread: extraction is spread over processes instead.
"""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.media.clip import RATE
from preprocess.media.container_ends import check_ogg_end
from preprocess.media.decoding import (
    decode,
    first_track,
    frame_time,
    open_media,
    promised_end,
    ready_track,
)
from preprocess.media.laid_sound import LaidSound
from preprocess.media.media_checks import check_range, check_whole, range_text
from preprocess.media.plain_sound import read_plain
from preprocess.media.video_frames import frame_times


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds, read from its headers and packets without decoding.

    `frames`, `duration` and `fps` (pictures a second, on average) are those of the asked range;
    `width` and `height` are stored sizes, before rotation. Without a video track `frames` is 0 and
    `fps`, `width`, `height` are None.
    """

    has_audio: bool
    has_video: bool
    duration: float
    frames: int
    fps: float | None
    width: int | None
    height: int | None
    audio_rate: int | None
    audio_channels: int | None


def probe(path: Path, start: float | None = None, end: float | None = None) -> MediaInfo:
    """What is in a file between two times.

    Args:
        path: of the file.
        start: seconds; None: its beginning.
        end: seconds; None: its end.

    Raises:
        InputError: the file cannot be read or holds neither sound nor pictures.
    """
    with open_media(path) as container:
        audio, video = first_track(container.streams.audio), first_track(container.streams.video)
        if audio is None and video is None:
            raise InputError(
                f"{path}: holds neither a sound nor a picture track, expected a clip; replace it "
                "or take it out of the list"
            )
        whole = float(container.duration or 0) / av.time_base
    frames, fps = 0, None
    if video is not None:
        times = frame_times(path, start, end)
        frames = len(times)
        whole = max(whole, float(times[-1])) if frames else whole
        fps = (frames - 1) / float(times[-1] - times[0]) if frames > 1 else None
    duration = max(0.0, min(end if end is not None else whole, whole) - (start or 0.0))
    return MediaInfo(
        has_audio=audio is not None,
        has_video=video is not None,
        duration=duration,
        frames=frames,
        fps=fps,
        width=video.width if video else None,
        height=video.height if video else None,
        audio_rate=getattr(audio, "rate", None),  # none of a track without a decoder
        audio_channels=getattr(audio, "channels", None),
    )


def read_audio(
    path: Path, rate: int = RATE, start: float | None = None, end: float | None = None
) -> NDArray[np.float32]:
    """Decodes the first sound track to mono; plain audio files by soundfile.

    16-bit samples are divided by 32768, channels mixed with FFmpeg's weights, scaled to sum to 1.
    Silence fills what comes before the track begins, and its holes.

    Args:
        path: of the file.
        rate: Hz of what is returned.
        start: seconds; None: the beginning of the file, which is not the track's where that begins
            late.
        end: seconds; None: the end.

    Returns:
        (samples,) in [-1, 1).

    Raises:
        InputError: there is no sound track, the file cannot be read, or the range is empty.
    """
    check_range(path, start, end)
    plain = read_plain(path, rate, start, end) if path.is_file() else None
    if plain is not None:
        return plain
    with open_media(path) as container:
        stream = ready_track(first_track(container.streams.audio), "sound", path)
        promised = promised_end(container, stream, path)
        begin = start or 0.0
        sound = LaidSound(path, rate, begin, float(container.duration or 0) / av.time_base)
        for frame in decode(container, stream, path, start):
            time = sound.time_of(frame_time(frame, container))
            if end is not None and sound.first is not None and time >= end:
                sound.be_silent(time, until=end)
                break
            sound.add(frame, time)
    if sound.first is None or sound.end <= begin:
        raise InputError(
            f"{path}: no sound could be decoded in the range {range_text(start, end)}; the file "
            "is damaged or ends before it, so fetch it again or take the clip out"
        )
    check_whole(path, "sound", sound.end, promised, end)
    check_ogg_end(path, sound.end, end)
    return sound.between(begin, end).astype(np.float32) / 32768.0
