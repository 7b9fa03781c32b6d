"""Video of the paper's feature set F: RetinaFace finds the face, FAb-Net describes it.

Wiles, Koepke and Zisserman, "Self-supervised learning of a facial attribute embedding from video"
(2018). The paper's Section 3.1.3 takes 256 numbers a keyframe from its encoder. B faces.
"""

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.files import sha256_of
from preprocess.extractors.base import register_extractor
from preprocess.extractors.face_sequence import FaceSequenceExtractor

CHUNK = 32  # faces encoded at a time, to bound memory


@register_extractor("fabnet")
class FabNetFeatures(FaceSequenceExtractor):
    """256 numbers on each keyframe's face; the paper's own choice."""

    licence = "none stated by the authors (release_bmvc_fabnet); for research"

    def __init__(
        self,
        *,
        weights: str = "",
        keyframes: str = "average",
        detector: str = "retina-face",
        margin: str = "0.3",
        align: str = "no",
        device: str = "cpu",
    ) -> None:
        """Loads the encoder and the detector.

        Args:
            weights: the authors' zip, its unpacked folder or the .pth file; by default the zip is
                downloaded.
            keyframes: a rule as `KeyframeRule.parse` reads it.
            detector: of faces, by its name.
            margin: around the face, as a share of it; the encoder was trained on loosely cut
                heads, and the paper gives no figure.
            align: yes turns the eyes level.
            device: where the encoder runs, such as ``cuda``.

        Raises:
            InputError: something of it cannot be had.
        """
        # What needs torch is imported here, so that listing the extractors is cheap.
        import torch

        from mia_fairseq.pretrained.fabnet_network import DIM, SIDE, find_fabnet, load_fabnet

        super().__init__(keyframes, detector, margin, align)
        self.size, self.dim = SIDE, DIM
        self.weights = find_fabnet(weights)
        self.device = torch.device(device)
        self.network = load_fabnet(self.weights).to(self.device)

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Faces (T, 256, 256, 3) to features (T, 256)."""
        import torch

        vectors = []
        with torch.inference_mode():
            for begin in range(0, len(crops), CHUNK):
                part = torch.from_numpy(crops[begin : begin + CHUNK]).to(self.device)
                faces = part.permute(0, 3, 1, 2).float() / 255.0  # (B, 3, 256, 256)
                vectors.append(self.network(faces).flatten(1).cpu().numpy())  # (B, 256)
        return np.concatenate(vectors)

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "model": "FAb-Net encoder (affectnet_4views)",
            "model_sha256": sha256_of(self.weights),
        }
