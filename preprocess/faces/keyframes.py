"""Which frames of a clip are looked at (the paper's Section 3.1.3, point 2).

The paper takes from every video the same number of frames at equal intervals, that number being
the average number of frames of the corpus's videos. Where it is silent we chose:

- The clip is cut into as many equal parts as there are keyframes and the middle frame of each part
  is taken, so that neither a fade-in nor the last frame counts for more than the rest.
- A clip with no more frames than keyframes gives each of its frames once; none is repeated.
- The average is rounded half up and is at least 1; clips without pictures do not count.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError

AVERAGE = "average"


def keyframe_indices(frames: int, keyframes: int) -> NDArray[np.int64]:
    """Indices of the keyframes of a clip: int64 (min(frames, keyframes),), increasing.

    Keyframe i of k is frame floor((2i + 1) n / 2k), the middle of the i-th of k equal parts of
    the n frames.
    """
    count = min(frames, keyframes)
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    return (2 * np.arange(count, dtype=np.int64) + 1) * frames // (2 * count)


def average_frame_count(frame_counts: Iterable[int]) -> int:
    """The number of keyframes for a corpus whose clips have these many frames.

    Raises:
        InputError: no clip has any.
    """
    counts = [count for count in frame_counts if count > 0]
    if not counts:
        raise InputError(
            "no clip of the corpus has pictures, so there is no average number of frames; give "
            "the number of keyframes or leave the video modality out"
        )
    return (2 * sum(counts) + len(counts)) // (2 * len(counts))


@dataclass(frozen=True)
class KeyframeRule:
    """How many keyframes a clip has: a fixed `count`, or `per_second`.

    Where both are None it is the corpus's average number of frames, to be filled in before use.
    """

    count: int | None = None
    per_second: float | None = None

    @classmethod
    def parse(cls, text: str) -> "KeyframeRule":
        """Read `average`, a count such as `16`, or a rate such as `2/s`.

        Raises:
            InputError: for anything else.
        """
        text = text.strip()
        if text == AVERAGE:
            return cls()
        if re.fullmatch(r"[1-9]\d*", text):
            return cls(count=int(text))
        rate = re.fullmatch(r"(\d+(?:\.\d+)?)/s", text)
        if rate and float(rate[1]) > 0:
            return cls(per_second=float(rate[1]))
        raise InputError(
            f"keyframes={text!r} is not understood, expected 'average', a count such as 16 or a "
            "rate such as 2/s; mend the option"
        )

    @property
    def needs_average(self) -> bool:
        return self.count is None and self.per_second is None

    def with_average(self, frame_counts: Iterable[int]) -> "KeyframeRule":
        """The rule with the corpus's average frame count filled in, where it needs one."""
        if self.needs_average:
            return KeyframeRule(count=average_frame_count(frame_counts))
        return self

    def choose(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Indices of the keyframes among frames shown at `times` (frames,), seconds.

        With a rate, a clip of d seconds has round(d * rate) keyframes and at least one.
        """
        if self.count is not None:
            return keyframe_indices(len(times), self.count)
        if self.per_second is None:
            raise InputError(
                "keyframes=average needs the frame counts of the whole corpus, which are not "
                "known here; give a count such as keyframes=16 instead"
            )
        step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        seconds = float(times[-1] - times[0]) + step if len(times) else 0.0
        return keyframe_indices(len(times), max(1, round(seconds * self.per_second)))

    def __str__(self) -> str:
        if self.needs_average:
            return AVERAGE
        return str(self.count) if self.count is not None else f"{self.per_second:g}/s"
