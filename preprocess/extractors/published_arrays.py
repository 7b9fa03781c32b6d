"""Published features of clips that lie in one ``.npz``: a vector a clip, or a sequence.

    --modality au=npz --option au.path=openface_au_mean.npz --option au.array=au
    --modality fer=npz --option fer.path=fer_frames.npz --option fer.array=prob \\
        --option fer.offset=offset

The file has an array of the clips' ids beside the features. Those are (clips, dim) or (clips, T,
dim); or, with ``offset``, the (frames, dim) of all clips one after another, those of clip i from
``offset[i]`` up to ``offset[i + 1]``.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.array_files import read_npz
from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor


@register_extractor("npz")
class PublishedArrays(Extractor):
    """The features that a file has of each clip's id."""

    modality = "video"
    licence = "that of the published file"

    def __init__(
        self, *, path: str = "", array: str = "", offset: str = "", id: str = "id"
    ) -> None:
        """Reads the file.

        Args:
            path: the .npz.
            array: of the features.
            offset: of the (clips + 1,) places where each clip's frames begin; none: see above.
            id: of the clips' names.

        Raises:
            InputError: it is no .npz, or its arrays are not there or do not fit together.
        """
        if not (path and array):
            raise InputError("npz: name the file and its array, --option NAME.path and NAME.array")
        self.path, self.array = Path(path), array
        names = [name for name in (id, array, offset) if name]
        found = read_npz(self.path, names)
        ids, values = found[id], found[array]
        if ids.ndim != 1 or values.dtype.kind not in "iuf":
            raise InputError(
                f"{path}: {id} has shape {ids.shape} and {array} holds {values.dtype}, expected "
                "(clips,) ids and real numbers; save the arrays again"
            )
        starts = found[offset] if offset else np.arange(len(ids) + 1)
        fits = starts.shape == (len(ids) + 1,) and len(values) == starts[-1] and starts[0] == 0
        if not fits or values.ndim not in (2, 3) or (np.diff(starts) < 0).any():
            raise InputError(
                f"{path}: {array} has shape {values.shape} for {len(ids)} ids, expected (clips, "
                "dim) or (clips, T, dim), or (frames, dim) with an offset of each clip"
            )
        self._places = {
            str(name): (int(begin), int(end))
            for name, begin, end in zip(ids, starts, starts[1:], strict=False)
        }
        if len(self._places) < len(ids):
            raise InputError(f"{path}: {id} names a clip twice; give each one row")
        self._values, self.dim = values, int(values.shape[-1])

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """(T, dim) of each clip; NaN and Inf become 0, and are noted."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> NDArray[np.float32] | Failure:
        place = self._places.get(clip.id)
        if place is None:
            return Failure(f"{self.path.name} has no clip of this id")
        rows = self._values[slice(*place)].reshape(-1, self.dim).astype(np.float32)
        bad = int((~np.isfinite(rows)).sum())
        if bad:
            self.note(clip, f"{bad} numbers that are not finite set to 0")
        return np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)

    def describe(self) -> dict[str, object]:
        """The file's name and hash, beside what every extractor tells."""
        source = {"model": f"{self.path.name}, {self.array}", "model_sha256": sha256_of(self.path)}
        return {**super().describe(), **source}
