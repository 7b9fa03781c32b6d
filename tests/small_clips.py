"""Media files that tests make: tones, pictures that tell their number, and clips of both."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def tone(seconds: float, rate: int, channels: int = 1, hertz: float = 440.0) -> np.ndarray:
    """A sine of amplitude 0.5: float32 (channels, samples)."""
    time = np.arange(int(seconds * rate)) / rate
    return np.tile(0.5 * np.sin(2 * np.pi * hertz * time), (channels, 1)).astype(np.float32)


def tone_strength(samples: np.ndarray, rate: int, hertz: float) -> float:
    """Amplitude of one frequency, by correlation with it."""
    time = np.arange(len(samples)) / rate
    return 2 * abs(np.mean(samples * np.exp(-2j * np.pi * hertz * time)))


def grey_levels(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures whose brightness tells their index (7 levels a step) and whose upper left quarter
    is red, to tell which way is up."""
    pictures = []
    for index in range(count):
        picture = np.full((height, width, 3), 20 + 7 * (index % 30), dtype=np.uint8)
        picture[: height // 2, : width // 2] = (255, 0, 0)
        pictures.append(picture)
    return pictures


def level(picture: np.ndarray) -> int:
    """The index that `grey_levels` wrote into a picture of its lower right corner."""
    corner = picture[-picture.shape[0] // 4 :, -picture.shape[1] // 4 :]
    return round((float(corner.mean()) - 20) / 7)


def write_clip(
    path: Path,
    pictures: Sequence[np.ndarray] | None = None,
    sound: np.ndarray | None = None,
    *,
    fps: int = 10,
    times: Sequence[float] | None = None,
    rate: int = 16_000,
    sound_begins: float = 0.0,
    sound_hole: tuple[float, float] = (0.0, 0.0),
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    pixel_aspect: int = 1,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a clip; `times` in seconds make its frame rate vary; `sound_hole`: from, seconds."""
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        video = audio = None
        if pictures is not None:
            video = container.add_stream(video_codec, rate=fps, options=options or {})
            video.height, video.width = pictures[0].shape[:2]
            video.codec_context.sample_aspect_ratio = Fraction(pixel_aspect)
            odd = video.height % 2 or video.width % 2
            video.pix_fmt = "yuv444p" if odd else "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000) if times else Fraction(1, fps)
        if sound is not None:
            audio = container.add_stream(audio_codec, rate=rate)
            audio.layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
        for index, picture in enumerate(pictures or []):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = round(times[index] * 1000) if times else index
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode())
        if sound is not None:
            block = 1024
            for begin in range(0, sound.shape[1], block):
                part = np.ascontiguousarray(sound[:, begin : begin + block])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=audio.layout.name)
                hole = sound_hole[1] * (begin >= sound_hole[0] * rate)
                frame.sample_rate, frame.pts = rate, begin + round((sound_begins + hole) * rate)
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def write_cover(path: Path) -> Path:
    """A sound file with a picture on its sleeve."""
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1, width=64, height=48, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(grey_levels(1)[0], format="rgb24")))
        container.mux(cover.encode())
        frame = av.AudioFrame.from_ndarray(tone(0.064, 16_000), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def turn(path: Path, quarter_turns: int) -> Path:
    """Write a rotation into an MP4's picture track: the 3x3 matrix in its `tkhd` box."""
    cos, sin = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}[quarter_turns]
    return set_matrix(path, cos, sin, -sin, cos)


def set_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """As `turn`, of any matrix: (p, q) of the picture is shown at (a p + c q, b p + d q)."""
    parts = [round(value * (1 << 16)) for value in (a, b, c, d)]
    matrix = [*parts[:2], 0, *parts[2:], 0, 0, 0, 1 << 30]
    data = bytearray(path.read_bytes())
    begin = data.index(b"tkhd") + 4 + 40
    data[begin : begin + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(bytes(data))
    return path
