"""Sound and pictures of a clip, decoded once with FFmpeg's libraries through PyAV.

Written policy, tested in tests/preprocess/test_media.py:

- A file that cannot be read, a track that is asked for and absent, a range beyond the end, and an
  MP4 or MOV whose track ends well before the length its header promises raise `InputError` with
  one sentence. A caller that works on a corpus turns it into one counted failure.
- A damaged packet inside a track is skipped, as FFmpeg's own tools do, and logged with its count.
- Times are seconds from the beginning of the file, so a transport stream that starts at 1.4 s
  starts at 0 here. A range is half open: `start` <= t < `end`.
- Pictures come out upright (rotation applied) with square pixels; cover art is no video track.
- Decoding uses one thread: extraction is spread over processes instead.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)

Track = TypeVar("Track", AudioStream, VideoStream)

SPEECH_RATE = 16_000  # Hz, what every speech encoder here takes
SEEK_MARGIN = 2.0  # seconds before a range: a codec needs some frames to settle after a seek
ROUNDING = 1e-6  # seconds: a time written in decimals means the tick beside it
LOST_SHARE, LOST_SECONDS = 0.05, 0.5  # a track may end this much early; more is truncation


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


@dataclass(frozen=True)
class Frame:
    """One picture: its index among the frames of the range, its time in seconds, and its pixels
    as RGB uint8 (height, width, 3)."""

    index: int
    time: float
    image: np.ndarray


def probe(path: Path, start: float | None = None, end: float | None = None) -> MediaInfo:
    """Tell what is in `path` between `start` and `end` seconds.

    Raises InputError for a file that cannot be read or holds neither sound nor pictures.
    """
    with _open(path) as container:
        audio, video = _first(container.streams.audio), _first(container.streams.video)
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
        audio_rate=audio.rate if audio else None,
        audio_channels=audio.channels if audio else None,
    )


def read_audio(
    path: Path, rate: int = SPEECH_RATE, start: float | None = None, end: float | None = None
) -> np.ndarray:
    """Decode the first sound track to mono at `rate` Hz.

    Returns float32 (samples,) in [-1, 1): 16-bit samples over 32768, all channels mixed with equal
    weight. Raises InputError without a sound track, for an unreadable file or an empty range.
    """
    _check_range(path, start, end)
    with _open(path) as container:
        stream = _ready(_first(container.streams.audio), "sound", path)
        promised = _promised(container, stream)
        first: float | None = None
        reached = 0.0
        chunks: list[np.ndarray] = []
        resampler, shape = None, None
        for frame in _decode(container, stream, path, start):
            time = _time(frame, container)
            if end is not None and first is not None and time >= end:
                break
            first = time if first is None else first
            reached = max(reached, time + frame.samples / frame.sample_rate)
            if shape != (frame.format.name, frame.layout.name, frame.sample_rate):
                chunks += _flush(resampler)
                # 16 bits, not float: between float formats FFmpeg mixes stereo 3 dB too loud.
                resampler = AudioResampler(format="s16", layout="mono", rate=rate)
                shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            chunks += _resampled(resampler, frame)
        chunks += _flush(resampler)
    if first is None or reached <= (start or 0.0):
        raise InputError(
            f"{path}: no sound could be decoded in the range {_range_text(start, end)}; the file "
            "is damaged or ends before it, so fetch it again or take the clip out"
        )
    _check_whole(path, "sound", reached, promised, end)
    samples = np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.int16)
    if start is not None:
        late = max(0, round((first - start) * rate))  # the track begins after the range: silence
        samples = np.pad(samples[max(0, round((start - first) * rate)) :], (late, 0))
        first = start
    if end is not None:
        samples = samples[: max(0, round((end - first) * rate))]
    return samples.astype(np.float32) / 32768.0


def frame_times(path: Path, start: float | None = None, end: float | None = None) -> np.ndarray:
    """Times of the frames shown in the range, in order: float64 (frames,), seconds.

    Reads packets only, so it costs a fraction of decoding. Raises InputError as `read_audio`.
    """
    ticks, base, origin = _frame_ticks(path, start, end)
    return np.array([float(tick * base) - origin for tick in ticks], dtype=np.float64)


def iter_frames(
    path: Path,
    indices: Sequence[int] | np.ndarray | None = None,
    start: float | None = None,
    end: float | None = None,
    max_side: int | None = None,
) -> Iterator[Frame]:
    """Yield the frames of the range with the given indices, in one pass.

    `indices` count the frames of the range from 0 and must not decrease; None means all. Frames
    that are not asked for are decoded only as far as the codec needs them and never converted.
    `max_side` shrinks larger pictures so that their longer side is that many pixels. Where a
    damaged packet gave no frame, the one on display at that time stands in.
    Raises InputError without a video track, for an unreadable file or an index out of range.
    """
    ticks, base, origin = _frame_ticks(path, start, end)
    chosen = list(range(len(ticks))) if indices is None else [int(i) for i in indices]
    if chosen != sorted(chosen) or (chosen and not 0 <= chosen[0] <= chosen[-1] < len(ticks)):
        raise InputError(
            f"{path}: frames {chosen[:3]}... were asked for, expected indices that do not decrease "
            f"between 0 and {len(ticks) - 1}; choose others"
        )
    if not chosen:
        return
    wanted = [ticks[i] for i in chosen]
    done, shown = 0, None
    with _open(path) as container:
        stream = _ready(_first(container.streams.video), "picture", path)
        for frame in _decode(container, stream, path, float(wanted[0] * base) - origin):
            if frame.pts is None:
                continue
            while done < len(wanted) and wanted[done] < frame.pts:
                shown = shown or frame
                yield _picture(chosen[done], wanted[done] * base, origin, shown, stream, max_side)
                done += 1
            if done == len(wanted):
                return
            shown = frame
        if shown is None:
            raise InputError(
                f"{path}: none of its {len(ticks)} pictures could be decoded; the file is damaged, "
                "so fetch it again or take the clip out"
            )
        for index, tick in zip(chosen[done:], wanted[done:], strict=True):
            yield _picture(index, tick * base, origin, shown, stream, max_side)


def read_frames(
    path: Path,
    indices: Sequence[int] | np.ndarray | None = None,
    start: float | None = None,
    end: float | None = None,
    max_side: int | None = None,
) -> list[np.ndarray]:
    """The pictures of `iter_frames` as a list of RGB uint8 (height, width, 3)."""
    return [frame.image for frame in iter_frames(path, indices, start, end, max_side)]


@contextmanager
def _open(path: Path) -> Iterator[InputContainer]:
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


def _first(tracks: Sequence[Track]) -> Track | None:
    """The first of a file's tracks of one kind; cover art does not count as video."""
    cover = av.stream.Disposition.attached_pic
    return next((track for track in tracks if not track.disposition & cover), None)


def _ready(stream: Track | None, kind: str, path: Path) -> Track:
    """The track set up for decoding, or one sentence on why there is none."""
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


def _origin(container: InputContainer) -> float:
    """Seconds of the container's own clock at which the file begins."""
    return float(container.start_time or 0) / av.time_base


def _promised(container: InputContainer, stream: AudioStream | VideoStream) -> float | None:
    """Seconds at which the header says the track ends; None where headers only estimate it."""
    if "mp4" not in container.format.name or stream.duration is None or stream.time_base is None:
        return None
    ticks = (stream.start_time or 0) + stream.duration
    return float(ticks * stream.time_base) - _origin(container)


def _check_whole(
    path: Path, kind: str, reached: float, promised: float | None, end: float | None
) -> None:
    if promised is None:
        return
    due = promised if end is None else min(end, promised)
    if due - reached > max(LOST_SECONDS, LOST_SHARE * due):
        raise InputError(
            f"{path}: its {kind} ends after {reached:.1f} s where the header promises "
            f"{promised:.1f} s; the file is truncated or damaged, so fetch it again or take it out"
        )


def _check_range(path: Path, start: float | None, end: float | None) -> None:
    if start is not None and not 0 <= start < float("inf"):
        raise InputError(f"{path}: the start {start} is not a time in seconds from 0 on; mend it")
    if end is not None and not (start or 0.0) < end:
        raise InputError(
            f"{path}: the range {_range_text(start, end)} is empty, expected end after start; "
            "mend the times in the list of clips"
        )


def _range_text(start: float | None, end: float | None) -> str:
    return f"{start or 0.0:g} s to {'the end' if end is None else f'{end:g} s'}"


def _seek(
    container: InputContainer, stream: AudioStream | VideoStream, start: float | None
) -> bool:
    """Go to the last place to decode from that lies SEEK_MARGIN before `start` seconds.

    Returns False where that is the beginning of the file and nothing was done.
    """
    target = (start or 0.0) - SEEK_MARGIN
    if target <= 0 or stream.time_base is None:
        return False
    ticks = int((target + _origin(container)) / stream.time_base)
    container.seek(ticks, stream=stream, backward=True)
    return True


def _packets(
    container: InputContainer, stream: AudioStream | VideoStream, path: Path
) -> Iterator[av.packet.Packet]:
    """Packets of a track up to the end of the file or to where it cannot be read any further."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        logger.warning("%s: reading stops early (%s)", path, error.strerror)


def _decode(
    container: InputContainer, stream: AudioStream | VideoStream, path: Path, start: float | None
) -> Iterator[Any]:
    """Decoded frames of a track, from at or before `start` seconds on."""
    if _seek(container, stream, start):
        frames = _decode_on(container, stream, path)
        first = next(frames, None)
        if first is not None and _time(first, container) <= (start or 0.0):
            yield first
            yield from frames
            return
        container.seek(container.start_time or 0)  # no usable place to start: read from the top
    yield from _decode_on(container, stream, path)


def _decode_on(
    container: InputContainer, stream: AudioStream | VideoStream, path: Path
) -> Iterator[Any]:
    """Decoded frames from where the file stands; damaged packets are skipped and counted."""
    damaged = 0
    for packet in _packets(container, stream, path):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            damaged += 1
    if damaged:
        logger.warning("%s: %d damaged %s packets were skipped", path, damaged, stream.type)


def _time(frame: Any, container: InputContainer) -> float:
    """Seconds from the file's beginning at which a frame is shown or heard."""
    if frame.pts is None:
        return 0.0
    return float(frame.pts * frame.time_base) - _origin(container)


def _resampled(resampler: AudioResampler | None, frame: av.AudioFrame | None) -> list[np.ndarray]:
    if resampler is None:
        return []
    if frame is not None:
        frame.pts = None  # samples are laid end to end; a jitter of the clock is no gap
    return [part.to_ndarray()[0] for part in resampler.resample(frame)]


def _flush(resampler: AudioResampler | None) -> list[np.ndarray]:
    return _resampled(resampler, None)


def _frame_ticks(
    path: Path, start: float | None, end: float | None
) -> tuple[list[int], Fraction, float]:
    """Presentation times of the range's frames in ticks, the tick in seconds, the file's origin."""
    _check_range(path, start, end)
    with _open(path) as container:
        stream = _ready(_first(container.streams.video), "picture", path)
        base, origin = stream.time_base or Fraction(1, av.time_base), _origin(container)
        promised = _promised(container, stream)
        low = None if start is None else start + origin - ROUNDING
        high = None if end is None else end + origin - ROUNDING
        ticks: list[int] = []
        reached = 0.0
        _seek(container, stream, start)
        for packet in _packets(container, stream, path):
            if high is not None and packet.dts is not None and packet.dts * base >= high:
                reached = high + ROUNDING - origin
                break
            tick = packet.pts if packet.pts is not None else packet.dts
            if tick is None or packet.is_discard or packet.size == 0:
                continue
            reached = max(reached, float((tick + (packet.duration or 0)) * base) - origin)
            if (low is None or tick * base >= low) and (high is None or tick * base < high):
                ticks.append(tick)
    _check_whole(path, "video", reached, promised, end)
    if not ticks:
        raise InputError(
            f"{path}: has no picture in the range {_range_text(start, end)}; the video ends "
            "before it, so mend the times or take the clip out"
        )
    return sorted(ticks), base, origin


def _picture(
    index: int,
    time: Fraction,
    origin: float,
    frame: av.VideoFrame,
    stream: VideoStream,
    max_side: int | None,
) -> Frame:
    """Convert a decoded frame to upright RGB with square pixels, no larger than `max_side`."""
    aspect = float(stream.sample_aspect_ratio or 1)
    width = max(1, round(frame.width * aspect))
    shrink = min(1.0, max_side / max(width, frame.height)) if max_side else 1.0
    width, height = max(1, round(width * shrink)), max(1, round(frame.height * shrink))
    image = frame.to_ndarray(format="rgb24", width=width, height=height)
    turns = round(frame.rotation / 90) % 4  # counter-clockwise quarter turns
    return Frame(index, float(time) - origin, np.ascontiguousarray(np.rot90(image, turns)))
