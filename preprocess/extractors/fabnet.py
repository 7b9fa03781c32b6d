"""Video of the paper's feature set F: RetinaFace finds the face, FAb-Net describes it.

Wiles, Koepke and Zisserman, "Self-supervised learning of a facial attribute embedding from video"
(2018). The paper's Section 3.1.3 takes 256 numbers a keyframe from its encoder. B faces.
"""

from pathlib import Path

import numpy as np
import torch

from mia_fairseq.encoders.fabnet_encoder import DIM, MEMBER, SIDE, URL, load_fabnet
from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.model_store import fetch_url
from preprocess.extractors.base import register_extractor
from preprocess.extractors.face_sequence import FaceSequenceExtractor

CHUNK = 32  # faces encoded at a time, to bound memory


def find_weights(weights: str) -> Path:
    """The file that `weights` means: the zip, the checkpoint, the one in an unpacked folder, or,
    when empty, the downloaded zip. Raises InputError where there is none."""
    if not weights:
        # The authors publish no hash, so that of the first download is kept for later checks.
        return fetch_url(URL)
    given = Path(weights).expanduser()
    candidates = (given, given / MEMBER, given / Path(MEMBER).name)
    found = next((file for file in candidates if file.is_file()), None)
    if found is None:
        raise InputError(
            f"{given}: there is no FAb-Net there, expected the authors' zip, its unpacked folder "
            f"or {Path(MEMBER).name}; download {URL}"
        )
    return found


@register_extractor("fabnet")
class FabNet(FaceSequenceExtractor):
    """256 numbers on each keyframe's face; the paper's own choice."""

    licence = "none stated by the authors (release_bmvc_fabnet); for research"
    size = SIDE

    def __init__(
        self,
        *,
        weights: str = "",
        keyframes: str = "average",
        detector: str = "retina-face",
        margin: str = "0.3",
        device: str = "cpu",
    ) -> None:
        """`weights`: the authors' zip, its unpacked folder or the .pth file; by default the zip is
        downloaded. `device`: where the encoder runs, such as `cuda`. `margin`: the encoder was
        trained on loosely cut heads; the paper gives no figure. Raises InputError when something
        cannot be had."""
        super().__init__(keyframes, detector, margin)
        self.dim = DIM
        self.weights = find_weights(weights)
        self.device = torch.device(device)
        self.network = load_fabnet(self.weights).to(self.device)

    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Faces (T, 256, 256, 3) to features (T, 256)."""
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
