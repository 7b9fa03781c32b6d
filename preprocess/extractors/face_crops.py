"""Video as cut-out faces, for an encoder (FAb-Net) that learns together with the fusion."""

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.extractors.base import register_extractor
from preprocess.extractors.face_sequence import FaceSequenceExtractor


@register_extractor("face_crops")
class FaceCrops(FaceSequenceExtractor):
    """The face of each keyframe, RGB, as `fabnet` has it before its encoder."""

    kind = "frames"
    licence = "that of the clips"

    def __init__(
        self,
        *,
        side: str = "256",
        keyframes: str = "average",
        detector: str = "retina-face",
        margin: str = "0.3",
        align: str = "no",
    ) -> None:
        """Loads the detector.

        Args:
            side: pixels of a crop's side, 256 for FAb-Net.
            keyframes: as of ``fabnet``.
            detector: as of ``fabnet``.
            margin: as of ``fabnet``.
            align: as of ``fabnet``.

        Raises:
            InputError: something of it cannot be had.
        """
        if not side.isdigit() or not 1 <= int(side) <= 1024:
            raise InputError(f"face_crops: side is {side!r}, expected pixels from 1 to 1024")
        super().__init__(keyframes, detector, margin, align)
        self.size = self.dim = int(side)

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Faces (T, side, side, 3), RGB uint8, as they are."""
        return crops
