"""Clips: sound and pictures of damaged files, in every container that tests can write."""

import random
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from mutations import damaged
from outcomes import expect

from preprocess.media.streams import probe, read_audio
from preprocess.media.video_frames import read_frames

Made = dict[str, bytes]
CONTAINERS = {"a.mp4": ("mpeg4", "aac"), "a.mkv": ("libx264", "flac"), "a.avi": ("mpeg4", "mp3"),
              "a.mov": ("mpeg4", "pcm_s16le"), "a.webm": ("libvpx", "libopus")}  # fmt: skip


def clips(scratch: Path) -> Made:
    """One short clip a container, and plain sound."""
    made = {}
    for name, (video, audio) in CONTAINERS.items():
        _write(scratch / name, video, audio)
        made[name] = (scratch / name).read_bytes()
    with wave.open(str(scratch / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(3200))
    made["a.wav"] = (scratch / "a.wav").read_bytes()
    import soundfile

    for name in ("a.flac", "a.ogg", "a.aiff"):
        soundfile.write(scratch / name, np.zeros((1600, 2), np.float32), 8000)
        made[name] = (scratch / name).read_bytes()
    return made


def _write(path: Path, video: str, audio: str) -> None:
    rate = 48_000
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=10, width=32, height=24, pix_fmt="yuv420p")
        sound = container.add_stream(audio, rate=rate, layout="mono")
        for index in range(4):
            image = np.full((24, 32, 3), 60 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        resampler = av.AudioResampler(format=sound.format, layout="mono", rate=rate,
                                      frame_size=sound.codec_context.frame_size or 0)  # fmt: skip
        frame = av.AudioFrame.from_ndarray(np.zeros((1, rate // 3), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = rate, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode())


def _matrix(rng: random.Random, content: bytes) -> bytes:
    """Nine numbers of any size where a track's display matrix lies."""
    place = content.find(b"tkhd")
    if place < 0:
        return damaged(rng, content)
    sizes = (0, 1, -1, 1 << 16, -(1 << 16), 2**31 - 1, -(2**31), 46341)
    matrix = struct.pack(">9i", *(rng.choice(sizes) for _ in range(9)))
    return content[: place + 44] + matrix + content[place + 80 :]


def media(base: Made, rng: random.Random, scratch: Path) -> None:
    """Every reader on one changed file, as extraction calls them."""
    name = rng.choice(list(base))
    content = _matrix(rng, base[name]) if rng.random() < 0.1 else damaged(rng, base[name])
    if rng.random() < 0.05:
        name = rng.choice(list(base))  # the suffix of another kind
    path = scratch / name
    path.write_bytes(content)
    start, end = rng.choice(((None, None), (None, None), (0.1, 0.25), (0.0, 5.0)))
    readers: tuple[Callable[[], object], ...] = (
        lambda: probe(path, start, end),
        lambda: read_audio(path, start=start, end=end),
        lambda: read_frames(path, [0], start, end),
        lambda: read_frames(path, None, start, end, max_side=64),
    )
    result = rng.choice(readers)()
    if isinstance(result, np.ndarray):
        expect(result.ndim == 1 and result.dtype == np.float32, f"{result.shape} {result.dtype}")
        expect(np.isfinite(result).all() and np.abs(result).max(initial=0) < 9, "samples")
        expect(end is None or len(result) <= 16_000 * (end - (start or 0)) + 1, "too long")
    elif isinstance(result, list):
        expect(all(f.ndim == 3 and f.shape[2] == 3 and f.size for f in result), "pictures")
