"""Choosing, cutting and following faces; a made-up detector stands in for the network."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.faces.face_detection import clip_faces, crop_face, face_share, largest_face
from preprocess.faces.keyframes import KeyframeRule
from preprocess.media.video_frames import iter_frames
from preprocess.networks.face_detector import Face, build_detector, register_detector

MARKS = np.zeros((5, 2), dtype=np.float32)


@dataclass
class GreyLevelDetector:
    """Finds "faces" by the picture's brightness, and remembers what it was shown."""

    blind_below: int = 0
    seen: list[int] = field(default_factory=list)
    licence = "none"

    def detect(self, picture: np.ndarray) -> list[Face]:
        level = int(picture[-1, -1, 0])
        self.seen.append(level)
        if level < self.blind_below:
            return []
        side = 10.0 + level % 13
        small = Face((1.0, 1.0, 6.0, 6.0), 0.99, MARKS)
        return [small, Face((20.0, 10.0, 20.0 + side, 10.0 + side), 0.9, MARKS)]


def face(left: float, top: float, right: float, bottom: float, score: float = 0.9) -> Face:
    return Face((left, top, right, bottom), score, MARKS)


def test_the_largest_face_wins_then_the_surest_then_the_leftmost():
    small, large = face(0, 0, 5, 5, 0.99), face(10, 10, 30, 30, 0.8)
    assert largest_face([small, large]) is large
    sure = face(40, 10, 60, 30, 0.95)
    assert largest_face([large, sure]) is sure
    left = face(0, 10, 20, 30, 0.95)
    assert largest_face([sure, left]) is left
    assert largest_face([]) is None


def test_a_crop_is_the_square_around_the_box():
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    # A box 8 wide and 16 high around (20, 18): the square of 16 spans x 12-28, y 10-26.
    crop = crop_face(picture, face(16, 10, 24, 26), size=16, margin=0.0)
    np.testing.assert_array_equal(crop, picture[10:26, 12:28])
    wider = crop_face(picture, face(16, 14, 24, 22), size=16, margin=0.5)
    np.testing.assert_array_equal(wider, picture[10:26, 12:28])


def test_a_crop_over_the_border_goes_on_with_the_borders_pixels():
    picture = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    crop = crop_face(picture, face(-4, -4, 4, 4), size=8, margin=0.0)
    np.testing.assert_array_equal(crop[4:, 4:], picture[:4, :4])
    np.testing.assert_array_equal(crop[:4, :4], np.broadcast_to(picture[0, 0], (4, 4, 3)))


def test_detecting_in_keyframes_only_equals_detecting_everywhere_first(clip):
    rule = KeyframeRule.parse("7")
    detector = GreyLevelDetector()
    found = clip_faces(clip, rule, detector, size=16, margin=0.2)
    assert len(detector.seen) == 7  # of 30 frames

    everywhere = GreyLevelDetector()
    all_crops, all_boxes = [], []
    for frame in iter_frames(clip):
        best = largest_face(everywhere.detect(frame.image))
        assert best is not None
        all_crops.append(crop_face(frame.image, best, 16, 0.2))
        all_boxes.append(best.box)
    assert len(everywhere.seen) == 30
    assert face_share(clip, rule, GreyLevelDetector()) == 1.0
    dark = sorted(detector.seen)[3]
    assert face_share(clip, rule, GreyLevelDetector(dark)) == 4 / 7
    expected = [2, 6, 10, 15, 19, 23, 27]  # middles of seven parts of 30/7 frames
    assert found.indices.tolist() == expected
    np.testing.assert_array_equal(found.crops, np.stack(all_crops)[expected])
    np.testing.assert_allclose(found.boxes, np.array(all_boxes)[expected], rtol=1e-6)
    assert found.times == pytest.approx(np.array(expected) / 10)


def test_frames_without_a_face_are_left_out_and_counted(clip):
    detector = GreyLevelDetector(blind_below=20 + 7 * 15)  # the first half of the clip
    found = clip_faces(clip, KeyframeRule.parse("10"), detector, size=16, margin=0.0)
    assert (found.keyframes, found.without_face, found.several) == (10, 5, 5)
    assert found.crops.shape == (5, 16, 16, 3)
    assert found.indices.min() >= 15


def test_a_clip_without_any_face_gives_an_empty_sequence(clip):
    detector = GreyLevelDetector(blind_below=999)
    found = clip_faces(clip, KeyframeRule.parse("1/s"), detector, size=16, margin=0.0)
    assert (found.keyframes, found.without_face) == (3, 3)
    assert found.crops.shape == (0, 16, 16, 3)
    assert found.boxes.shape == (0, 4)


def test_a_range_of_a_clip_is_looked_at_alone(clip):
    found = clip_faces(
        clip, KeyframeRule.parse("30"), GreyLevelDetector(), size=8, margin=0, start=1.0, end=2.0
    )
    assert found.indices.tolist() == list(range(10))
    assert found.times == pytest.approx(np.arange(1.0, 1.99, 0.1))


def test_a_file_that_cannot_be_read_is_the_callers_to_count():
    with pytest.raises(InputError, match="no such file"):
        clip_faces(Path("gone.mp4"), KeyframeRule.parse("1"), GreyLevelDetector(), size=8, margin=0)


def test_detectors_are_known_by_name():
    with pytest.raises(InputError, match="mobilenet, retina-face, retinaface-pytorch"):
        build_detector("haar")
    with pytest.raises(ValueError, match="two face detectors"):
        register_detector("mobilenet")(GreyLevelDetector)


def test_an_aligned_crop_turns_the_eyes_level():
    picture = np.zeros((40, 40, 3), dtype=np.uint8)
    picture[10:13, 10:13], picture[20:23, 20:23] = 255, 255  # two eyes, on a slant of 45 degrees
    marks = np.array([[11, 11], [21, 21], [0, 0], [0, 0], [0, 0]], dtype=np.float32)
    slanted = Face((6.0, 6.0, 26.0, 26.0), 0.9, marks)
    rows = np.flatnonzero(
        crop_face(picture, slanted, 20, 0.0, align=True)[..., 0].max(axis=1) > 100
    )
    assert np.ptp(rows) <= 4 and abs(rows.mean() - 9.5) < 1.5
    assert np.ptp(np.flatnonzero(crop_face(picture, slanted, 20, 0.0)[..., 0].max(axis=1))) > 8
