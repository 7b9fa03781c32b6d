"""Files opened and tracks decoded with PyAV: what streams.py and video_frames.py are built on.

Times are seconds from the file's beginning; a "tick" is a track's own unit of time.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from mia_fairseq.errors import InputError
from preprocess.media.container_ends import share_there
from preprocess.media.media_checks import LOST_SHARE

logger = logging.getLogger(__name__)

Track = TypeVar("Track", AudioStream, VideoStream)

SEEK_MARGIN = 2.0  # seconds before a range: a codec needs some frames to settle after a seek


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a local file; a playlist inside it cannot make FFmpeg fetch anything else."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path in the list of clips")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); fetch it again or take it out")
    url = f"file:{path.resolve()}"
    try:
        container = av.open(url, options={"protocol_whitelist": "file"})
    except (av.FFmpegError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{path}: cannot be read as a media file ({reason.lower()}); it is truncated, damaged "
            "or of another kind, so fetch it again or take it out"
        ) from error
    with container:
        yield container


def first_track(tracks: Sequence[Track]) -> Track | None:
    """The first of a file's tracks of one kind; cover art does not count as video."""
    cover = av.stream.Disposition.attached_pic
    return next((track for track in tracks if not track.disposition & cover), None)


def ready_track(stream: Track | None, kind: str, path: Path) -> Track:
    """The track set up for decoding.

    Args:
        stream: of the container; None where it has none.
        kind: sound or video, for errors.
        path: of the file, for errors.

    Raises:
        InputError: there is none, or no decoder for it.
    """
    if stream is None:
        raise InputError(
            f"{path}: has no {kind} track, which is asked for here; replace the file or leave its "
            "modality out"
        )
    if stream.codec_context is None:
        raise InputError(
            f"{path}: its {kind} track is in a format that this FFmpeg cannot decode; convert the "
            "file, for example with ffmpeg"
        )
    stream.codec_context.thread_count = 1
    return stream


def file_origin(container: InputContainer) -> float:
    """Seconds of the container's own clock at which the file begins."""
    return float(container.start_time or 0) / av.time_base


def promised_end(
    container: InputContainer, stream: AudioStream | VideoStream, path: Path
) -> float | None:
    """Seconds at which the header says the track ends; None where headers only estimate it.

    Of other files it is the whole's end where bytes are lacking, since a track may end before it.
    """
    share, kind = share_there(path), container.format.name
    if share < 1 - LOST_SHARE and container.duration:
        if kind == "avi" and stream.frames and stream.time_base is not None:
            return float(stream.frames * stream.time_base)
        # Of a WAV or AIFF file FFmpeg's length is of what is there.
        return container.duration / av.time_base / (1 if "matroska" in kind else share)
    exact = "mp4" in kind or kind == "flac"
    if not exact or stream.duration is None or stream.time_base is None:
        return None
    ticks = (stream.start_time or 0) + stream.duration
    return float(ticks * stream.time_base) - file_origin(container)


def seek(
    container: InputContainer, stream: AudioStream | VideoStream, path: Path, start: float | None
) -> bool:
    """Goes to the last place to decode from that lies SEEK_MARGIN before `start` seconds.

    Args:
        container: the opened file.
        stream: of it.
        path: for errors.
        start: None: the beginning.

    Returns:
        False where that is the beginning of the file and nothing was done.
    """
    target = (start or 0.0) - SEEK_MARGIN
    if target <= 0 or stream.time_base is None:
        return False
    ticks = int((target + file_origin(container)) / stream.time_base)
    try:
        container.seek(ticks, stream=stream, backward=True)
    except av.FFmpegError:  # such as a time before the track's first packet, in Matroska
        _rewind(container, path)
        return False
    return True


def _rewind(container: InputContainer, path: Path) -> None:
    try:
        container.seek(container.start_time or 0)
    except av.FFmpegError as error:
        reason = str(error.strerror).lower()
        raise InputError(
            f"{path}: no time can be found in it ({reason}); the file is damaged, so fetch it "
            "again or take it out"
        ) from error


def packets(
    container: InputContainer, stream: AudioStream | VideoStream, path: Path
) -> Iterator[av.packet.Packet]:
    """Packets of a track up to the end of the file or to where it cannot be read any further.

    Args:
        container: the opened file.
        stream: of it.
        path: for the log.
    """
    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        logger.warning("%s: reading stops early (%s)", path, error.strerror)
    except IndexError:  # PyAV's, at the end of a file with tracks that its header does not tell of
        return


def decode(
    container: InputContainer,
    stream: AudioStream | VideoStream,
    path: Path,
    start: float | None,
    wanted: Collection[int] | None = None,
) -> Iterator[Any]:
    """Decoded frames of a track, from at or before `start` seconds on.

    Args:
        container: the opened file.
        stream: of it.
        path: for the log.
        start: seconds; None: the beginning.
        wanted: ticks; frames at others are left out where no other frame is built on them.
    """
    if seek(container, stream, path, start):
        frames = _decode_on(container, stream, path, wanted)
        first = next(frames, None)
        if first is not None and frame_time(first, container) <= (start or 0.0):
            yield first
            yield from frames
            return
        _rewind(container, path)  # no usable place to start: read from the top
    yield from _decode_on(container, stream, path, wanted)


def _decode_on(
    container: InputContainer,
    stream: AudioStream | VideoStream,
    path: Path,
    wanted: Collection[int] | None,
) -> Iterator[Any]:
    """Decoded frames from where the file stands; damaged packets are skipped and counted."""
    damaged = 0
    for packet in packets(container, stream, path):
        if wanted is not None and isinstance(stream, VideoStream):
            needed = packet.pts is None or packet.pts in wanted
            stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        try:
            yield from packet.decode()
        except av.FFmpegError:
            damaged += 1
    if damaged:
        logger.warning("%s: %d damaged %s packets were skipped", path, damaged, stream.type)


def frame_time(frame: Any, container: InputContainer) -> float:
    """Seconds from the file's beginning at which a frame is shown or heard."""
    if frame.pts is None:
        return 0.0
    return float(frame.pts * frame.time_base) - file_origin(container)
