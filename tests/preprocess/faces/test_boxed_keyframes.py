"""Keyframes with boxes: on the face, in pictures that are shrunk too, few and spread evenly."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from preprocess.faces.boxed_keyframes import GREEN, boxed_keyframes
from preprocess.faces.face_detection import LARGEST_PICTURE, ClipFaces, clip_faces
from preprocess.faces.face_sheet import draw_face_sheet
from preprocess.faces.keyframes import KeyframeRule
from preprocess.networks.face_detector import Face


class WhiteSquare:
    """Finds the white square of a picture."""

    licence = "none"

    def detect(self, picture: np.ndarray) -> list[Face]:
        rows, columns = (np.flatnonzero(picture.min(axis=2).max(axis=k) > 200) for k in (1, 0))
        box = (float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1)
        return [Face(box, 0.9, np.zeros((5, 2), np.float32))]


def faces_of(media: SimpleNamespace, path: Path, width: int, pictures: int = 2) -> ClipFaces:
    """Of a clip with a white square in the right half of its pictures."""
    picture = np.zeros((100, width, 3), np.uint8)
    picture[20:60, width // 2 : width // 2 + 40] = 255
    media.write_clip(path, [picture] * pictures)
    return clip_faces(path, KeyframeRule(count=pictures), WhiteSquare(), size=8, margin=0.0)


def green(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is green."""
    rows, columns = np.nonzero((np.abs(picture.astype(int) - GREEN) < 60).all(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_the_box_is_on_the_face_in_pictures_of_any_size(media, tmp_path):
    for width, side in ((200, 200), (200, 100), (2 * LARGEST_PICTURE, LARGEST_PICTURE)):
        path = tmp_path / f"{width}_{side}.mp4"
        faces = faces_of(media, path, width)
        shown = boxed_keyframes(path, faces, most=8, side=side)
        assert [one.time for one in shown] == faces.times.tolist()
        scale = side / width
        expected = scale * np.array([width / 2, 20, width / 2 + 40, 60])
        assert max(shown[0].picture.shape) == side
        np.testing.assert_allclose(green(shown[0].picture), expected, atol=4)


def test_some_of_many_are_shown_spread_evenly(media, tmp_path):
    faces = faces_of(media, tmp_path / "a.mp4", 64, pictures=12)
    shown = boxed_keyframes(tmp_path / "a.mp4", faces, most=3, side=64)
    assert [one.time for one in shown] == faces.times[[2, 6, 10]].tolist()
    none = ClipFaces(
        *(array[:0] for array in (faces.crops, faces.indices, faces.times, faces.boxes)), 12, 0
    )
    assert boxed_keyframes(tmp_path / "a.mp4", none, most=3, side=64) == []


def test_a_face_sheet_shows_pictures_of_the_size_that_its_boxes_mean(media, tmp_path, monkeypatch):
    sizes: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.imshow", lambda self, image: sizes.append(image.shape)
    )
    path = tmp_path / "large.mp4"
    faces = faces_of(media, path, 2 * LARGEST_PICTURE)
    draw_face_sheet(path, faces, [0.0, 1.0], [0.0, 1.0], tmp_path / "sheet.png", title="large")
    assert sizes == [(50, LARGEST_PICTURE, 3)] * 2
