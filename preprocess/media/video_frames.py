"""Pictures of a clip, decoded with FFmpeg through PyAV; streams.py has the policy.

Pictures come out upright, as `preprocess.media.orientation` has it, with square pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.media.container_ends import check_ogg_end
from preprocess.media.decoding import (
    decode,
    file_origin,
    first_track,
    open_media,
    packets,
    promised_end,
    ready_track,
    seek,
)
from preprocess.media.media_checks import check_range, check_whole, range_text
from preprocess.media.orientation import display_matrix, upright

ROUNDING = 1e-6  # seconds: a time written in decimals means the tick beside it


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        index: among the frames of the range.
        time: seconds.
        image: RGB (height, width, 3).
    """

    index: int
    time: float
    image: NDArray[np.uint8]


def frame_times(
    path: Path, start: float | None = None, end: float | None = None
) -> NDArray[np.float64]:
    """Times of the frames shown in the range, in order.

    Reads packets only, so it costs a fraction of decoding.

    Args:
        path: of the file.
        start: seconds; None: the beginning.
        end: seconds; None: the end.

    Returns:
        (frames,) seconds.

    Raises:
        InputError: as `read_audio`, of pictures.
    """
    ticks, base, origin = frame_ticks(path, start, end)
    return np.array([float(tick * base) - origin for tick in ticks], dtype=np.float64)


def iter_frames(
    path: Path,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    start: float | None = None,
    end: float | None = None,
    max_side: int | None = None,
) -> Iterator[Frame]:
    """Yields the frames of the range with the given indices, in one pass.

    Frames that are not asked for are decoded only where others are built on them, and never
    converted. Where a damaged packet gave no frame, the one on display at that time stands in.

    Args:
        path: of the file.
        indices: count the frames of the range from 0 and never decrease; None: all.
        start: seconds; None: the beginning.
        end: seconds; None: the end.
        max_side: larger pictures are shrunk so that their longer side is that many pixels.

    Raises:
        InputError: there is no video track, the file cannot be read, or an index is out of range.
    """
    ticks, base, origin = frame_ticks(path, start, end)
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
    with open_media(path) as container:
        stream = ready_track(first_track(container.streams.video), "picture", path)
        start_at = float(wanted[0] * base) - origin
        for frame in decode(container, stream, path, start_at, frozenset(wanted)):
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
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    start: float | None = None,
    end: float | None = None,
    max_side: int | None = None,
) -> list[NDArray[np.uint8]]:
    """The pictures of `iter_frames` as a list.

    Args:
        path: as `iter_frames` has it.
        indices: as `iter_frames` has them.
        start: as `iter_frames` has it.
        end: as `iter_frames` has it.
        max_side: as `iter_frames` has it.

    Returns:
        RGB uint8 (height, width, 3) each.
    """
    return [frame.image for frame in iter_frames(path, indices, start, end, max_side)]


def frame_ticks(
    path: Path, start: float | None, end: float | None
) -> tuple[list[int], Fraction, float]:
    """Presentation times of the range's frames in ticks, the tick in seconds, the file's origin."""
    check_range(path, start, end)
    with open_media(path) as container:
        stream = ready_track(first_track(container.streams.video), "picture", path)
        base, origin = stream.time_base or Fraction(1, av.time_base), file_origin(container)
        promised = promised_end(container, stream, path)
        low = None if start is None else start + origin - ROUNDING
        high = None if end is None else end + origin - ROUNDING
        ticks: list[int] = []
        reached = 0.0
        seek(container, stream, path, start)
        for packet in packets(container, stream, path):
            if high is not None and packet.dts is not None and packet.dts * base >= high:
                reached = high + ROUNDING - origin
                break
            tick = packet.pts if packet.pts is not None else packet.dts
            if tick is None or packet.is_discard or packet.size == 0:
                continue
            reached = max(reached, float((tick + (packet.duration or 0)) * base) - origin)
            if (low is None or tick * base >= low) and (high is None or tick * base < high):
                ticks.append(tick)
    check_whole(path, "video", reached, promised, end)
    check_ogg_end(path, reached, end)
    if not ticks:
        raise InputError(
            f"{path}: has no picture in the range {range_text(start, end)}; the video ends "
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
    return Frame(
        index,
        float(time) - origin,
        upright(image.astype(np.uint8, copy=False), display_matrix(frame)),
    )
