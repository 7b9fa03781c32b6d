"""RetinaFace with a ResNet-50 backbone, the paper's detector, through either of two packages.

Both install themselves as `retinaface`, so only one can be there at a time:

- `retina-face` (pip install retina-face) is kept up; it downloads its weights on first use, or
  takes `.deepface/weights/retinaface.onnx` below `$DEEPFACE_HOME` (or the home folder).
- `retinaface-pytorch` 0.0.8 pins torch 1.9 and torchvision 0.10, which pip can no longer install
  together with a current Python; it is used where somebody has it working.
"""

import os
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.networks.face_detector import Face, register_detector
from preprocess.networks.retinaface_mobilenet import LARGEST_SIDE, SURE

WEIGHTS = "resnet50_2020-07-20"  # the only ones that retinaface-pytorch knows
ENGINE = "DEEPFACE_BACKEND_ENGINE"  # retina-face's switch between TensorFlow, PyTorch and ONNX


@register_detector("retina-face")
class RetinaFacePackage:
    """The package `retina-face`, by default on ONNX Runtime, which needs no TensorFlow."""

    licence: ClassVar[str] = "MIT (retina-face)"

    def __init__(self) -> None:
        """Loads the package.

        Raises:
            InputError: it or its weights are not there.
        """
        os.environ.setdefault(ENGINE, "onnx")
        self._package = _import(
            "retinaface.RetinaFace", "retina-face", "run pip install retina-face"
        )
        try:
            self._model = self._package.build_model()
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                "the weights of the face detector retina-face cannot be had by download, expected "
                "retinaface.onnx in .deepface/weights below $DEEPFACE_HOME or the home folder; put "
                "the file there or choose detector=mobilenet"
            ) from error

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces in a picture, RGB uint8 (height, width, 3)."""
        bgr = np.ascontiguousarray(picture[..., ::-1])
        found = self._package.detect_faces(
            bgr, threshold=SURE, model=self._model, allow_upscaling=False
        )
        names = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
        return [
            _face(face["facial_area"], face["score"], [face["landmarks"][name] for name in names])
            for face in found.values()
        ]


@register_detector("retinaface-pytorch")
class RetinaFacePytorch:
    """The package `retinaface-pytorch`, loaded without free unpickling."""

    licence: ClassVar[str] = "MIT (retinaface-pytorch)"

    def __init__(self) -> None:
        """Loads the package.

        Raises:
            InputError: it or its weights are not there.
        """
        package = _import(
            "retinaface.pre_trained_models",
            "retinaface-pytorch",
            "it asks for torch 1.9, so pip refuses it beside a current one; install it by hand",
        )
        hub = import_module("torch.hub")
        entry = package.models[WEIGHTS]
        self._model = entry.model(max_size=LARGEST_SIDE, device="cpu")
        try:
            weights = hub.load_state_dict_from_url(
                entry.url, map_location="cpu", progress=False, weights_only=True
            )
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"the weights of the face detector retinaface-pytorch cannot be had ({error}); put "
                f"{entry.url.rsplit('/', 1)[-1]} into {hub.get_dir()}/checkpoints or choose "
                "detector=mobilenet"
            ) from error
        self._model.load_state_dict(weights)
        self._model.eval()

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces in a picture, RGB uint8 (height, width, 3)."""
        found: list[dict[str, Any]] = self._model.predict_jsons(picture, confidence_threshold=SURE)
        return [
            _face(face["bbox"], face["score"], face["landmarks"])
            for face in found
            if len(face["bbox"]) == 4  # without a face the package gives one empty box
        ]


def _import(module: str, package: str, remedy: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"the face detector {package} is not installed ({error}); {remedy}, or choose "
            "detector=mobilenet"
        ) from error


def _face(box: Any, score: Any, landmarks: Any) -> Face:
    left, top, right, bottom = (float(value) for value in box)
    marks = np.asarray(landmarks, dtype=np.float32).reshape(5, 2)
    return Face((left, top, right, bottom), float(score), marks)
