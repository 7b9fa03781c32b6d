"""One utterance as extractors see it, and the rate at which all of them hear."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # samples a second, what all the speech encoders here were trained on


@dataclass(frozen=True)
class Clip:
    """One utterance as extractors see it."""

    id: str
    path: Path | None = None  # media file, or None where only text is given
    text: str | None = None
    start: float | None = None  # seconds within the file; None: the whole file
    end: float | None = None
    group: str | None = None  # its dialogue or video, where that is known
    position: int | None = None  # in it
    unheard: str = field(default="", compare=False)  # why its words could not be heard
    language: str = field(default="", compare=False)  # of its words, where that is known: de
    # (N,) in [-1, 1] at `RATE`: sound that is in no file
    samples: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
