"""Published features of CMU's MultimodalSDK (feature set F_cmu): ``.csd`` files cut to utterances.

A ``.csd`` is HDF5: for each video a matrix of features, and the interval in seconds of each row
(COVAREP, 74-d at 100 Hz; FACET, 47-d for MOSI and 35-d for MOSEI at 30 Hz). An utterance gets the
rows whose middle lies within its start and end, which are times of the whole video; a clip cut out
of it, without them, fails. The files also exist for words (GloVe).

    --modality audio=cmu_csd --option audio.path=CMU_MOSI_COVAREP.csd
    --modality video=cmu_csd_video --option video.path=CMU_MOSI_Visual_Facet_42.csd

Fusions that want the words' own sound (``cm_bert``) get it by the intervals of a file of words:
each of an utterance's words becomes the mean of the rows whose middle lies within it.

    --modality text=cmu_csd --option text.path=GLOVE.csd
    --modality audio=cmu_csd --option audio.path=COVAREP.csd --option audio.words=GLOVE.csd
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.tables.hdf5_files import open_hdf5, read_numbers, videos_of


@register_extractor("cmu_csd")
class CmuCsd(Extractor):
    """Sound features (COVAREP) of an utterance. The video is the id up to its last underscore."""

    modality = "audio"
    licence = "that of the CMU-MultimodalSDK's data: research only"
    columns = ("start", "end")

    def __init__(self, *, path: str = "", words: str = "") -> None:
        """Opens the file.

        Args:
            path: of the .csd file.
            words: a .csd file with a row a word, of which only the intervals are read; rows are as
                they are where it is not given.

        Raises:
            InputError: one of them is none.
        """
        if not path:
            raise InputError(f"{self.name}: name the file, --option {self.name}.path=FILE.csd")
        self.path = Path(path)
        self.file = open_hdf5(self.path)
        self.what, self.data = videos_of(self.file, self.path)
        self.words = Path(words) if words else None
        self.spoken = (
            None if self.words is None else videos_of(open_hdf5(self.words), self.words)[1]
        )
        first = next(iter(self.data))
        self.dim = int(read_numbers(self.data[first], "features", self.path).shape[1])

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """Rows (T, dim) within each clip's start and end; -inf and NaN become 0, and are noted."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> NDArray[np.float32] | Failure:
        video = next((name for name in self._names(clip) if name in self.data), None)
        if video is None:
            return Failure(f"{self.path.name} has no video {clip.id.rpartition('_')[0] or clip.id}")
        if video != clip.id and (clip.start is None or clip.end is None):
            return Failure(
                f"{self.path.name} has the video {video}, and the clip has no start and end within "
                "it; make the manifest of a folder without cut clips, which gives both"
            )
        try:
            features = read_numbers(self.data[video], "features", self.path, self.dim)
            intervals = read_numbers(self.data[video], "intervals", self.path, 2)
        except InputError as error:
            return Failure(str(error))
        if len(features) != len(intervals):
            return Failure(
                f"{self.path.name}: {video} has {len(features)} features and {len(intervals)} "
                "intervals"
            )
        rows = _within(intervals, clip)
        if len(rows) == 0:
            return Failure(f"{self.path.name} has nothing of {video} in {_times(clip)}")
        array = features[rows].astype(np.float32)
        bad = int((~np.isfinite(array)).sum())
        if bad:
            self.note(clip, f"{bad} numbers that are not finite set to 0")
        array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
        return array if self.words is None else self._by_word(array, intervals[rows], clip, video)

    def _by_word(
        self, array: NDArray[np.float32], intervals: NDArray[np.float64], clip: Clip, video: str
    ) -> NDArray[np.float32] | Failure:
        """(words, dim) means over the rows of each word, 0 where a word has none."""
        if self.words is None or self.spoken is None or video not in self.spoken:
            return Failure(f"{self.words} has no video {video}")
        try:
            times = read_numbers(self.spoken[video], "intervals", self.words, 2)
        except InputError as error:
            return Failure(str(error))
        words = times[_within(times, clip)]
        if len(words) == 0:
            return Failure(f"{self.words.name} has no word of {video} in {_times(clip)}")
        middle = intervals.mean(axis=1)
        inside = (middle >= words[:, :1]) & (middle < words[:, 1:])  # (words, rows)
        counts = inside.sum(axis=1, keepdims=True)
        if not counts.all():
            self.note(clip, f"{int((counts == 0).sum())} words have no rows of their own, set to 0")
        return (inside @ array / np.maximum(counts, 1)).astype(np.float32)

    def _names(self, clip: Clip) -> tuple[str, ...]:
        """What the clip's video may be called: its id, or the part before the clip's number."""
        return clip.id, clip.id.rpartition("_")[0]

    def describe(self) -> dict[str, object]:
        told = {**super().describe(), "model": self.what, "model_sha256": sha256_of(self.path)}
        return told if self.words is None else {**told, "words_sha256": sha256_of(self.words)}


def _within(intervals: NDArray[np.float64], clip: Clip) -> NDArray[np.int64]:
    """Rows whose middle, in seconds, lies within the clip."""
    middle = intervals.mean(axis=1)
    start, end = _bounds(clip)
    return np.flatnonzero((middle >= start) & (middle < end))


def _bounds(clip: Clip) -> tuple[float, float]:
    return (
        0.0 if clip.start is None else clip.start,
        float("inf") if clip.end is None else clip.end,
    )


def _times(clip: Clip) -> str:
    return "{:g} to {:g} s".format(*_bounds(clip))


@register_extractor("cmu_csd_video")
class CmuCsdVideo(CmuCsd):
    """Face features (FACET) of an utterance, from a .csd file."""

    modality = "video"
