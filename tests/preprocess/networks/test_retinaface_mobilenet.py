"""RetinaFace's arithmetic against naive loops, and the real network on real pictures."""

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.faces.face_detection import largest_face
from preprocess.networks.retinaface_mobilenet import (
    MobileNetRetinaFace,
    decode_boxes,
    decode_landmarks,
    prior_boxes,
    suppress,
)


def test_priors_follow_the_networks_order():
    expected = []
    for stride, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        rows, columns = -(-50 // stride), -(-70 // stride)
        for row in range(rows):
            for column in range(columns):
                for side in sides:
                    expected.append(((column + 0.5) * stride, (row + 0.5) * stride, side))
    np.testing.assert_array_equal(prior_boxes(50, 70), np.array(expected, dtype=np.float32))


def test_offsets_are_scaled_by_the_prior():
    priors = np.array([[100.0, 50.0, 16.0], [8.0, 8.0, 64.0]])
    offsets = np.array([[1.0, -2.0, 0.0, 5.0], [0.0, 0.0, 1.0, -1.0]])
    boxes = decode_boxes(offsets, priors)
    for row in range(2):
        x, y, side = priors[row]
        centre = (x + 0.1 * offsets[row, 0] * side, y + 0.1 * offsets[row, 1] * side)
        width, height = side * np.exp(0.2 * offsets[row, 2]), side * np.exp(0.2 * offsets[row, 3])
        assert boxes[row] == pytest.approx(
            [
                centre[0] - width / 2,
                centre[1] - height / 2,
                centre[0] + width / 2,
                centre[1] + height / 2,
            ]
        )
    marks = decode_landmarks(np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]]), priors[:1])
    assert marks[0, 0] == pytest.approx([101.6, 53.2])
    assert marks[0, 4] == pytest.approx([114.4, 66.0])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared)


def test_suppression_equals_the_naive_loop():
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 60, (80, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(5, 40, (80, 2))], axis=1)
    scores = generator.uniform(0.5, 1.0, 80)
    kept: list[int] = []
    for candidate in sorted(range(80), key=lambda i: -scores[i]):
        if all(overlap(boxes[candidate], boxes[other]) <= 0.4 for other in kept):
            kept.append(candidate)
    assert suppress(boxes, scores, 0.4) == kept
    assert suppress(boxes[:0], scores[:0], 0.4) == []


@pytest.fixture(scope="module")
def detector(stored_model):
    pytest.importorskip("onnxruntime")
    return MobileNetRetinaFace(stored_model("retinaface") / "retinaface.onnx")


@pytest.fixture(scope="module")
def pictures():
    return pytest.importorskip("skimage.data")


@pytest.mark.parametrize("shrink", [1, 2, 4])
def test_the_portraits_face_is_found_where_it_is(detector, pictures, shrink):
    faces = detector.detect(pictures.astronaut()[::shrink, ::shrink])
    assert len(faces) == 1
    left, top, right, bottom = np.array(faces[0].box) * shrink
    assert 160 < left < 195
    assert 40 < top < 75
    assert 260 < right < 290
    assert 160 < bottom < 195
    eye, other_eye, nose, *mouth = faces[0].landmarks * shrink
    assert eye[0] < nose[0] < other_eye[0]
    assert eye[1] < nose[1] < mouth[0][1]


def test_large_pictures_are_searched_at_a_smaller_size_but_told_in_their_own(detector, pictures):
    portrait = pictures.astronaut()
    large = portrait.repeat(3, axis=0).repeat(3, axis=1)
    box = np.array(detector.detect(large)[0].box)
    assert box / 3 == pytest.approx(detector.detect(portrait)[0].box, abs=4)


def test_several_faces_are_all_found(detector, pictures):
    portrait = pictures.astronaut()[:300, 80:380]
    both = np.concatenate([portrait, np.pad(portrait[::2, ::2], ((0, 150), (0, 0), (0, 0)))], 1)
    faces = detector.detect(both)
    assert len(faces) == 2
    best = largest_face(faces)
    assert best is not None
    assert best.box[2] < 300


def test_pictures_without_a_face_have_none(detector, pictures):
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    empty = [pictures.coffee(), pictures.chelsea(), pictures.rocket(), noise]
    for picture in [*empty, noise[:33, :65], np.zeros((1, 1, 3), dtype=np.uint8)]:
        assert detector.detect(picture) == []


def test_a_missing_network_is_told(tmp_path):
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match="no such detector file"):
        MobileNetRetinaFace(tmp_path / "none.onnx")
