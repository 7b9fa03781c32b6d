"""The two packages' answers become `Face`s; stand-ins with their interface take their place."""

import os
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from mia_fairseq.errors import InputError
from preprocess.networks.face_detector import build_detector

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
MARKS = [[12.0, 14.0], [20.0, 14.0], [16.0, 18.0], [13.0, 22.0], [19.0, 22.0]]


def install(monkeypatch, name: str, **contents: object) -> None:
    package, module = ModuleType("retinaface"), ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, "retinaface", package)
    monkeypatch.setitem(sys.modules, name, module)


def test_retina_face_is_asked_in_bgr_and_answers_in_order(monkeypatch):
    monkeypatch.setenv("DEEPFACE_BACKEND_ENGINE", "to be put back")
    monkeypatch.delenv("DEEPFACE_BACKEND_ENGINE")
    asked = {}

    def detect_faces(picture, threshold, model, allow_upscaling):
        asked.update(picture=picture, threshold=threshold, model=model, up=allow_upscaling)
        names = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
        marks = dict(zip(names, MARKS, strict=True))
        one = {"score": np.float32(0.97), "facial_area": [8, 9, 24, 29], "landmarks": marks}
        return {"face_1": one, "face_2": {**one, "score": 0.9}}

    install(
        monkeypatch,
        "retinaface.RetinaFace",
        build_model=lambda: "the model",
        detect_faces=detect_faces,
    )
    faces = build_detector("retina-face").detect(PICTURE)
    np.testing.assert_array_equal(asked["picture"], PICTURE[..., ::-1])
    assert (asked["model"], asked["up"]) == ("the model", False)
    assert [round(face.score, 2) for face in faces] == [0.97, 0.9]
    assert faces[0].box == (8.0, 9.0, 24.0, 29.0)
    np.testing.assert_array_equal(faces[0].landmarks, np.array(MARKS, dtype=np.float32))
    assert os.environ["DEEPFACE_BACKEND_ENGINE"] == "onnx"


def test_retina_face_without_weights_says_where_they_go(monkeypatch):
    def build_model():
        raise ValueError("could not be downloaded")

    install(monkeypatch, "retinaface.RetinaFace", build_model=build_model)
    with pytest.raises(InputError, match=r"retinaface\.onnx in \.deepface/weights"):
        build_detector("retina-face")


class Network(torch.nn.Linear):
    """Has retinaface-pytorch's method and one weight to load."""

    def __init__(self, max_size: int, device: str) -> None:
        super().__init__(1, 1)
        self.max_size = max_size

    def predict_jsons(self, picture: np.ndarray, confidence_threshold: float) -> list[dict]:
        if picture.max() == 0:
            return [{"bbox": [], "score": -1, "landmarks": []}]
        return [{"bbox": [8.5, 9.0, 24.0, 29.0], "score": 0.93, "landmarks": MARKS}]


def test_retinaface_pytorch_loads_its_weights_without_free_unpickling(monkeypatch):
    asked = {}

    def load(url, **options):
        asked.update(url=url, **options)
        return {"weight": torch.full((1, 1), 3.0), "bias": torch.zeros(1)}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    entry = SimpleNamespace(url="https://example.org/weights.zip", model=Network)
    install(monkeypatch, "retinaface.pre_trained_models", models={"resnet50_2020-07-20": entry})
    detector = build_detector("retinaface-pytorch")
    assert asked["weights_only"] is True
    assert asked["url"] == entry.url
    faces = detector.detect(PICTURE)
    assert [face.box for face in faces] == [(8.5, 9.0, 24.0, 29.0)]
    assert detector.detect(np.zeros_like(PICTURE)) == []

    def fail(url, **options):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    with pytest.raises(InputError, match=r"put weights\.zip into"):
        build_detector("retinaface-pytorch")


@pytest.mark.parametrize(
    ("name", "mend"),
    [("retina-face", "pip install retina-face"), ("retinaface-pytorch", "by hand")],
)
def test_a_package_that_is_not_installed_is_named(monkeypatch, name, mend):
    for module in ("retinaface", "retinaface.RetinaFace", "retinaface.pre_trained_models"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"{name} is not installed.*{mend}.*detector=mobilenet"):
        build_detector(name)
