"""The generated corpus: the same each time, with labels that the words, face and voice carry."""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT

from examples.demo_corpus.__main__ import COLUMNS, LEVELS, main, make_corpus, plan_corpus
from examples.demo_corpus.talking_head import TalkingHead, loudness, speak
from mia_fairseq.errors import InputError
from preprocess.corpora.folder import read_folder
from preprocess.extractors.base import Clip, build_extractor
from preprocess.faces.face_detection import crop_face, largest_face
from preprocess.media.streams import probe, read_audio
from preprocess.networks.mini_xception import EMOTIONS

CLIPS = 9


def rows_of(labels: Path) -> list[dict[str, str]]:
    with labels.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    pytest.importorskip("skimage")
    pytest.importorskip("espeakng_loader")
    return make_corpus(tmp_path_factory.mktemp("demo"), clips=CLIPS, seed=3).parent


def test_plans_pair_words_and_delivery_evenly():
    plans = plan_corpus(50, seed=0)
    pairs = Counter((plan.words, plan.delivery) for plan in plans)
    assert pairs == {(words, delivery): 2 for words in LEVELS for delivery in LEVELS}
    assert all(plan.label == 1.5 * plan.words + 1.5 * plan.delivery for plan in plans)
    assert all(abs(plan.smile - plan.delivery) < 0.6 for plan in plans)
    assert len({plan.id for plan in plans}) == 50
    assert plan_corpus(50, seed=0) == plans
    assert plan_corpus(50, seed=1) != plans


@pytest.mark.parametrize("clips", [7, 9, 24, 60])
def test_takes_never_fall_into_two_splits_and_each_split_has_some(clips):
    splits = defaultdict(set)
    for plan in plan_corpus(clips, seed=0):
        splits[plan.take].add(plan.split)
    assert all(len(names) == 1 for names in splits.values())
    assert {name for names in splits.values() for name in names} == {"train", "valid", "test"}


def test_a_corpus_is_clips_and_a_table(corpus):
    rows = rows_of(corpus / "labels.csv")
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == CLIPS
    for row in rows:
        info = probe(corpus / row["path"])
        assert info.has_audio
        assert info.has_video
        assert 1.5 < info.duration < 7
        assert (info.width, info.height, info.fps) == (160, 160, pytest.approx(12))
        assert -3 <= float(row["label"]) <= 3
        assert row["text"].endswith(".")
        assert np.abs(read_audio(corpus / row["path"])).max() > 0.05
    assert "generated" in (corpus / "README.txt").read_text()
    assert not list(corpus.rglob("*.partial"))


def test_the_tutorial_names_the_corpus_as_it_lies(corpus):
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert "`DEMO --table\nDEMO/labels.csv`" in tutorial
    assert read_folder(corpus, corpus / "labels.csv", (0.1, 0.2), 1).faults == []
    (held_out,) = re.findall(r"`DEMO/clips/(\w+)\.mp4`", tutorial)
    assert ("test", held_out) in [(plan.split, plan.id) for plan in plan_corpus(24, seed=1)]


def test_the_same_seed_gives_the_same_bytes(corpus, tmp_path):
    main([str(tmp_path), "--clips", str(CLIPS), "--seed", "3"])
    files = sorted(path.relative_to(corpus) for path in corpus.rglob("*") if path.is_file())
    assert len(files) == CLIPS + 2
    for file in files:
        assert (tmp_path / file).read_bytes() == (corpus / file).read_bytes(), file


def test_the_detector_finds_the_face_in_every_keyframe(corpus, stored_model):
    pytest.importorskip("onnxruntime")
    stored_model("retinaface")
    stored_model("fer")
    extractor = build_extractor("face_expression", {"keyframes": "4/s"})
    rows = rows_of(corpus / "labels.csv")
    features = extractor.extract([Clip(row["id"], corpus / row["path"]) for row in rows])
    assert extractor.counts["keyframes"] > 10 * CLIPS
    assert extractor.counts["without a face"] <= 0.05 * extractor.counts["keyframes"]
    assert all(vectors.shape[1] == 128 for vectors in features)


def test_the_face_tells_a_smile_from_a_frown(stored_model):
    pytest.importorskip("skimage")
    stored_model("retinaface")
    stored_model("fer")
    extractor = build_extractor("face_expression")
    head = TalkingHead(160)
    happy = []
    for smile in (-1.0, 0.0, 1.0):
        picture = head.picture(smile, 0.3, zoom=1.0, shift=(0.0, 0.0), light=1.0)
        face = largest_face(extractor.detector.detect(picture))
        assert face is not None
        crop = crop_face(picture, face, extractor.size, extractor.margin)
        happy.append(float(extractor.emotions(crop[None])[0, EMOTIONS.index("happy")]))
    assert happy[0] < 0.5 < happy[1] <= happy[2]


def test_speech_repeats_and_follows_speed(corpus):
    slow = speak("It was a very good film.", words_a_minute=120, pitch=50, pitch_range=50)
    fast = speak("It was a very good film.", words_a_minute=240, pitch=50, pitch_range=50)
    again = speak("It was a very good film.", words_a_minute=120, pitch=50, pitch_range=50)
    np.testing.assert_array_equal(slow, again)
    assert len(fast) < 0.7 * len(slow)


def test_loudness_follows_each_frames_samples():
    samples = np.concatenate([np.zeros(22_050), np.full(22_050, 0.5)]).astype(np.float32)
    assert loudness(samples, 4, 2).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert loudness(samples[:22_050], 2, 2).tolist() == [0.0, 0.0]


def test_impossible_corpora_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 7"):
        make_corpus(tmp_path, clips=6)
    for size in (64, 161):
        with pytest.raises(InputError, match="even number from 96 on"):
            make_corpus(tmp_path, size=size)
