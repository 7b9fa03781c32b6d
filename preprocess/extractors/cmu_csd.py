"""Published features of CMU's MultimodalSDK (feature set F_cmu): ``.csd`` files cut to utterances.

A ``.csd`` is HDF5: for each video a matrix of features, and the interval in seconds of each row
(COVAREP, 74-d at 100 Hz; FACET, 47-d for MOSI and 35-d for MOSEI at 30 Hz). An utterance gets the
rows whose middle lies within its start and end, which are times of the whole video; a clip cut out
of it, without them, fails. The files also exist for words (GloVe).

    --modality audio=cmu_csd --option audio.path=CMU_MOSI_COVAREP.csd
    --modality video=cmu_csd_video --option video.path=CMU_MOSI_Visual_Facet_42.csd
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

    def __init__(self, *, path: str = "") -> None:
        """Opens the file.

        Args:
            path: of the .csd file.

        Raises:
            InputError: it is none.
        """
        if not path:
            raise InputError(f"{self.name}: name the file, --option {self.name}.path=FILE.csd")
        self.path = Path(path)
        self.file = open_hdf5(self.path)
        self.what, self.data = videos_of(self.file, self.path)
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
        middle = intervals.mean(axis=1)  # (T,) seconds
        start = 0.0 if clip.start is None else clip.start
        end = np.inf if clip.end is None else clip.end
        rows = np.flatnonzero((middle >= start) & (middle < end))
        if len(rows) == 0:
            return Failure(f"{self.path.name} has nothing of {video} from {start:g} to {end:g} s")
        array = features[rows].astype(np.float32)
        bad = int((~np.isfinite(array)).sum())
        if bad:
            self.note(clip, f"{bad} numbers that are not finite set to 0")
        return np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)

    def _names(self, clip: Clip) -> tuple[str, ...]:
        """What the clip's video may be called: its id, or the part before the clip's number."""
        return clip.id, clip.id.rpartition("_")[0]

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "model": self.what, "model_sha256": sha256_of(self.path)}


@register_extractor("cmu_csd_video")
class CmuCsdVideo(CmuCsd):
    """Face features (FACET) of an utterance, from a .csd file."""

    modality = "video"
