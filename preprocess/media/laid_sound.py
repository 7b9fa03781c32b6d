"""Decoded sound, laid along the time of its file: silence where the file has none.

Pieces lie end to end as long as their times agree with that to `JITTER`, which clocks are off by.
"""

import logging
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

JITTER = 0.1  # seconds; FFmpeg's own aresample begins to mend there
MOST_SILENCE = 3600.0  # seconds in one file


class LaidSound:
    """Mono sound of 16 bits at one rate.

    A time that would need more silence than the file lasts, or than `MOST_SILENCE`, is a fault of
    its clock (MPEG-TS counts from 0 again after 26 hours): the piece lies behind the one before.

    Attributes:
        first: seconds of the file at which the sound begins; None before there is any.
        end: seconds up to which it is laid.
    """

    def __init__(self, path: Path, rate: int, start: float, lasts: float | None) -> None:
        """Nothing yet.

        Args:
            path: of the file, for the log.
            rate: Hz.
            start: seconds that will be asked for first.
            lasts: seconds of the file, where its header tells them.
        """
        self.first: float | None = None
        self.end = start
        self._path, self._rate = path, rate
        self._room = min(lasts or MOST_SILENCE, MOST_SILENCE)
        self._chunks: list[NDArray[np.int16]] = []
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._mad = self._lost = 0

    def time_of(self, time: float) -> float:
        """Where a piece is laid whose own time is `time`."""
        if time - self.end <= max(self._room, JITTER):
            return time
        if not self._mad:
            logger.warning(
                "%s: its sound jumps from %.1f s to %.1f s, taken for a fault of its clock",
                *(self._path, self.end, time),
            )
        self._mad += 1
        return 0.0 if self.first is None else self.end

    def add(self, frame: av.AudioFrame, time: float) -> None:
        """Lays a piece, with silence before it where there is a hole.

        Args:
            frame: as decoded.
            time: by `time_of`.
        """
        self.be_silent(time, time)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self._flush()
            # 16 bits, not float: between float formats FFmpeg mixes stereo 3 dB too loud.
            self._resampler = AudioResampler(format="s16", layout="mono", rate=self._rate)
            self._shape = shape
        if not self._resample(frame):
            return
        if self.first is None:
            self._room -= max(0.0, time - self.end)
            self.first = self.end = time
        self.end += frame.samples / frame.sample_rate

    def be_silent(self, following: float, until: float) -> None:
        """Lays silence where a hole is before the next piece.

        Args:
            following: seconds at which that begins.
            until: seconds up to which silence is laid.
        """
        if self.first is None or following - self.end <= JITTER:
            return
        self._flush()
        laid = sum(map(len, self._chunks))
        silent = round((until - self.first) * self._rate) - laid
        self._chunks.append(np.zeros(max(0, silent), np.int16))
        self._room -= until - self.end
        self.end = until

    def between(self, start: float, end: float | None) -> NDArray[np.int16]:
        """(samples,) from one second of the file to another; None: to its end."""
        self._flush()
        if self._lost:
            logger.warning("%s: %d damaged pieces of sound were skipped", self._path, self._lost)
        samples = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        wanted = None if end is None else max(0, round((end - start) * self._rate))
        early = round((start - (self.first or 0.0)) * self._rate)
        if early < 0:
            late = -early if wanted is None else min(-early, wanted)
            samples = np.pad(samples, (late, 0))
        return samples[max(0, early) :][:wanted]

    def _resample(self, frame: av.AudioFrame | None) -> bool:
        """Takes a piece, or what is left of those before; False where it cannot be taken."""
        if self._resampler is None:
            return False
        if frame is not None:
            frame.pts = None  # samples are laid end to end; a jitter of the clock is no gap
        try:
            self._chunks += [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        except av.FFmpegError:
            self._resampler = self._shape = None
            self._lost += 1
            return False
        return True

    def _flush(self) -> None:
        self._resample(None)
        self._resampler = self._shape = None
