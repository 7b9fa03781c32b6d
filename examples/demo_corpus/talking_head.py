"""A made-up talking head: a portrait that is warped to smile or frown, and a synthetic voice.

The portrait is scikit-image's `astronaut`, a NASA picture in the public domain; the voice is
espeak-ng (GPL-3.0, run as a program of its own, through the package `espeakng-loader`). Nothing
here shows or says what a real person did.
"""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from examples.demo_corpus import voice as demo_voice
from examples.demo_corpus.voice import SAMPLE_RATE
from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require

# The part of the portrait that is used (top, bottom, left, right), and where the face's features
# are in it (x, y), all in the portrait's pixels.
HEAD = (0, 288, 80, 368)
EYES = ((205.0, 101.0), (247.0, 103.0))
MOUTH_CORNERS = ((202.5, 138.0), (244.0, 140.5))


def _bump(centre: tuple[float, float], width: float, height: float) -> NDArray[np.float32]:
    """A Gaussian hill over the portrait's pixels (512, 512)."""
    y, x = np.mgrid[0:512, 0:512].astype(np.float32)
    return np.exp(-(((x - centre[0]) / width) ** 2 + ((y - centre[1]) / height) ** 2) / 2)


class TalkingHead:
    """Pictures of the portrait with a given expression.

    The portrait itself smiles; a frown pulls the corners of the mouth down and together, closes
    the lips and lowers the inner brows.
    """

    def __init__(self, size: int) -> None:
        """`size`: height and width of the pictures, in pixels."""
        data = require("skimage.data", "scikit-image", "the demo corpus")
        self.size = size
        self.portrait = data.astronaut().astype(np.float32)  # (512, 512, 3)
        left, right = MOUTH_CORNERS
        centre = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
        width = right[0] - left[0]
        y = np.mgrid[0:512, 0:512][0].astype(np.float32)
        corner_up, corner_across = (0.28 * width, 0.25 * width), (0.35 * width, 0.4 * width)
        lip = _bump((centre[0], centre[1] + 0.1 * width), 0.3 * width, 0.3 * width)
        self.corners = 6 * (_bump(left, *corner_up) + _bump(right, *corner_up))
        self.smile_down = 4 * lip - self.corners
        self.frown_down = (
            2.2 * self.corners
            - 8 * lip
            - 0.6 * (y - centre[1]) * _bump(centre, 0.6 * width, 0.25 * width)
        )
        self.frown_right = 6 * (_bump(left, *corner_across) - _bump(right, *corner_across))
        self.brows_down = 4 * sum(
            _bump((x + side, y - 12), 12, 8) for (x, y), side in zip(EYES, (8, -8), strict=True)
        )
        self.jaw_down = 8 * _bump((centre[0], centre[1] + 0.45 * width), 0.55 * width, 0.4 * width)

    def picture(
        self, smile: float, mouth: float, *, zoom: float, shift: tuple[float, float], light: float
    ) -> NDArray[np.uint8]:
        """One frame, RGB uint8 (size, size, 3).

        `smile` from -1 (frown) to 1; `mouth` from 0 (as it is) to 1 (wide open); `zoom` enlarges,
        `shift` moves the head by (x, y) in portrait pixels, `light` multiplies the brightness.
        """
        warp = smile - 0.45  # the portrait's own smile lies at 0 of this scale
        frown = max(0.0, -warp)
        down = max(0.0, warp) * self.smile_down + frown * (self.frown_down + self.brows_down)
        down = down + mouth * self.jaw_down
        right = frown * self.frown_right
        top, bottom, left, end = HEAD
        centre_y, centre_x = (top + bottom) / 2 + shift[1], (left + end) / 2 + shift[0]
        reach = (bottom - top) / 2 / zoom
        steps = (np.arange(self.size) + 0.5) / self.size * 2 - 1
        rows, columns = np.meshgrid(
            centre_y + reach * steps, centre_x + reach * steps, indexing="ij"
        )
        at = [rows, columns]
        sources = [
            rows - map_coordinates(down, at, order=1, mode="nearest"),
            columns - map_coordinates(right, at, order=1, mode="nearest"),
        ]
        channels = [
            map_coordinates(self.portrait[..., channel], sources, order=1, mode="nearest")
            for channel in range(3)
        ]
        return (np.stack(channels, axis=-1) * light).clip(0, 255).astype(np.uint8)


def speak(text: str, *, words_a_minute: int, pitch: int, pitch_range: int) -> NDArray[np.float32]:
    """Speak a sentence: float32 (samples,) at `SAMPLE_RATE`; pitch and its range from 0 to 99.

    The same arguments give the same samples. Raises InputError where espeak-ng does not run.
    """
    require("espeakng_loader", "espeakng-loader", "the demo corpus")
    wish = {
        "text": text,
        "words_a_minute": words_a_minute,
        "pitch": pitch,
        "pitch_range": pitch_range,
    }
    program = [sys.executable, "-I", demo_voice.__file__]
    done = subprocess.run(program, input=json.dumps(wish).encode(), capture_output=True)
    if done.returncode != 0 or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise InputError(
            f"espeak-ng could not speak ({' '.join(reason) or done.returncode}); install "
            "espeakng-loader again"
        )
    return np.frombuffer(done.stdout, dtype=np.int16).astype(np.float32) / 32768.0


def loudness(samples: NDArray[np.float32], frames: int, fps: int) -> NDArray[np.float64]:
    """How loud each frame's stretch of speech is, from 0 to 1: (frames,)."""
    step = SAMPLE_RATE / fps
    stretches = [samples[round(i * step) : round((i + 1) * step)] for i in range(frames)]
    rms = np.array([np.sqrt(np.mean(s**2)) if len(s) else 0.0 for s in stretches])
    return rms / max(float(rms.max()), 1e-6)


def write_mp4(
    path: Path, pictures: list[NDArray[np.uint8]], samples: NDArray[np.float32], fps: int
) -> None:
    """Mux pictures (height, width, 3) and speech into an MP4 with H.264 and AAC."""
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = "generated: warped portrait, synthetic voice"
        height, width = pictures[0].shape[:2]
        # Without look-ahead and B-frames x264 gives the same bytes each time; with them it did not.
        options = {"preset": "veryfast", "crf": "20", "bf": "0", "mbtree": "0", "rc-lookahead": "0"}
        video = container.add_stream("libx264", rate=fps, options=options)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for begin in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[None, begin : begin + 1024])
            sound = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            sound.sample_rate, sound.pts = SAMPLE_RATE, begin
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
