"""Features that others publish or compute: .csd files and openSMILE."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.extractors.base import Clip, Failure, build_extractor


@pytest.fixture
def csd(tmp_path: Path) -> Path:
    """Two videos at 10 rows a second; row r of video v is (100 v + r, ...)."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.csd", "w") as file:
        for number, video in enumerate(("a_b", "c")):
            group = file.create_group(f"COVAREP/data/{video}")
            features = (100 * number + np.arange(30.0))[:, None].repeat(3, axis=1)
            features[20, 1], features[21, 2] = -np.inf, np.nan
            group["features"] = features
            group["intervals"] = np.stack([np.arange(30) / 10, np.arange(1, 31) / 10], axis=1)
    return tmp_path / "x.csd"


def test_csd_rows_are_those_within_the_utterance(csd: Path) -> None:
    extractor = build_extractor("cmu_csd", {"path": str(csd)})
    clips = [
        Clip("a_b_1", start=0.5, end=1.0),
        Clip("c_7", start=1.9, end=2.3),
        Clip("c"),
        Clip("a_b_2", start=5.0, end=6.0),
        Clip("d_1", start=0.0, end=1.0),
    ]
    outputs = extractor.extract(clips)
    columns = [output[:, 0].tolist() for output in outputs if isinstance(output, np.ndarray)]
    assert columns == [
        [5.0, 6.0, 7.0, 8.0, 9.0],
        [119.0, 120.0, 121.0, 122.0],
        [100.0 + row for row in range(30)],
    ]
    assert isinstance(outputs[1], np.ndarray)
    assert outputs[1].dtype == np.float32
    assert outputs[1][1:3].tolist() == [[120.0, 0.0, 120.0], [121.0, 121.0, 0.0]]
    assert outputs[3:] == [
        Failure("x.csd has nothing of a_b in 5 to 6 s"),
        Failure("x.csd has no video d"),
    ]
    note = "2 numbers that are not finite set to 0"
    assert extractor.take_notes() == [("c_7", note), ("c", note)]
    assert extractor.describe()["model"] == "COVAREP"
    assert build_extractor("cmu_csd_video", {"path": str(csd)}).modality == "video"


@pytest.mark.parametrize(("start", "end"), [(None, None), (0.5, None), (None, 1.0)])
def test_a_whole_video_is_not_given_to_one_of_its_utterances(
    csd: Path, start: float | None, end: float | None
) -> None:
    extractor = build_extractor("cmu_csd", {"path": str(csd)})
    whole, part = extractor.extract([Clip("a_b"), Clip("a_b_1", start=start, end=end)])
    assert isinstance(whole, np.ndarray) and len(whole) == 30
    assert part == Failure(
        "x.csd has the video a_b, and the clip has no start and end within it; make the "
        "manifest of a folder without cut clips, which gives both"
    )


def test_words_get_the_rows_that_they_last(csd: Path) -> None:
    h5py = pytest.importorskip("h5py")
    words = csd.with_name("words.csd")
    with h5py.File(words, "w") as file:
        group = file.create_group("GloVe/data/a_b")
        times = [[0.0, 0.5], [0.5, 0.7], [0.7, 1.0], [1.0, 1.02], [1.02, 1.3]]
        group["features"], group["intervals"] = np.eye(5), np.array(times)
    extractor = build_extractor("cmu_csd", {"path": str(csd), "words": str(words)})
    clips = [Clip("a_b_1", start=0.5, end=1.4), Clip("c_7", start=1.9, end=2.3)]
    clips.append(Clip("a_b_2", start=2.0, end=2.5))
    found, *failed = extractor.extract(clips)
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    assert found[:, 0].tolist() == [5.5, 8.0, 0.0, 11.0]  # means of 5-6, 7-9, none, 10-12
    assert failed == [
        Failure(f"{words} has no video c"),
        Failure("words.csd has no word of a_b in 2 to 2.5 s"),
    ]
    assert ("a_b_1", "1 words have no rows of their own, set to 0") in extractor.take_notes()
    (text,) = build_extractor("cmu_csd", {"path": str(words)}).extract(clips[:1])
    assert isinstance(text, np.ndarray) and len(text) == len(found)
    assert len(str(extractor.describe()["words_sha256"])) == 64
    with pytest.raises(InputError, match=r"no\.csd"):
        build_extractor("cmu_csd", {"path": str(csd), "words": str(csd.with_name("no.csd"))})


def test_what_is_no_csd_is_told(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with pytest.raises(InputError, match=r"--option cmu_csd_video\.path=FILE"):
        build_extractor("cmu_csd_video")
    (tmp_path / "no.csd").write_text("no")
    with pytest.raises(InputError, match="it is no HDF5 file"):
        build_extractor("cmu_csd", {"path": str(tmp_path / "no.csd")})
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x/y"] = [1]
    with pytest.raises(InputError, match="it holds no NAME/data/VIDEO groups"):
        build_extractor("cmu_csd", {"path": str(tmp_path / "other.h5")})


def test_opensmile_equals_a_direct_call(tmp_path: Path, arrays_for_media: None) -> None:
    opensmile = pytest.importorskip("opensmile", reason="pip install opensmile (mind its licence)")
    time = np.arange(16_000) / 16_000
    np.save(tmp_path / "a.npy", (0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32))
    clip = Clip("a", tmp_path / "a.npy")
    for level, shape in (("lld", (97, 25)), ("functionals", (1, 88))):
        extractor = build_extractor("opensmile", {"level": level})
        smile = opensmile.Smile(
            opensmile.FeatureSet.eGeMAPSv02,
            opensmile.FeatureLevel.Functionals
            if level == "functionals"
            else opensmile.FeatureLevel.LowLevelDescriptors,
        )
        expected = smile.process_signal(np.load(tmp_path / "a.npy"), 16_000).to_numpy(np.float32)
        output, none = extractor.extract([clip, Clip("b")])
        assert isinstance(output, np.ndarray)
        assert output.shape[1] == extractor.dim == shape[1]
        assert abs(len(output) - shape[0]) < 4
        assert np.array_equal(output, expected)
        assert none == Failure("no media file is named for it")


def test_a_wrong_level_and_a_missing_library_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="level is 'word', expected lld or functionals"):
        build_extractor("opensmile", {"level": "word"})
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(InputError, match="run: pip install opensmile"):
        build_extractor("opensmile")


def write_npz(path: Path, **changes: np.ndarray) -> Path:
    """Three clips: a vector each, and sequences of 2, 0 and 3 frames one after another."""
    frames = np.arange(10.0).reshape(5, 2)
    frames[1, 1] = np.nan
    content = {
        "id": np.array(["a", "b", "c"]),
        "au": np.arange(12).reshape(3, 4),
        "prob": frames,
        "offset": np.array([0, 2, 2, 5]),
    }
    np.savez(path, **{**content, **changes})
    return path


def test_published_arrays_are_found_by_the_clips_ids(tmp_path: Path) -> None:
    path = str(write_npz(tmp_path / "x.npz"))
    vectors = build_extractor("npz", {"path": path, "array": "au"})
    clips = [Clip("c"), Clip("z"), Clip("a")]
    found = vectors.extract(clips)
    assert vectors.dim == 4 and found[0].tolist() == [[8, 9, 10, 11]]
    assert found[1] == Failure("x.npz has no clip of this id") and found[2].dtype == np.float32
    frames = build_extractor("npz", {"path": path, "array": "prob", "offset": "offset"})
    c, b, a = frames.extract([Clip("c"), Clip("b"), Clip("a")])
    assert c.tolist() == [[4, 5], [6, 7], [8, 9]] and b.shape == (0, 2)
    assert a.tolist() == [[0, 1], [2, 0]]
    assert frames.take_notes() == [("a", "1 numbers that are not finite set to 0")]
    assert frames.describe()["model"] == "x.npz, prob"


@pytest.mark.parametrize(
    ("options", "changes", "sentence"),
    [
        ({"array": "nothing"}, {}, "has no array 'nothing', it has id, au, prob, offset"),
        ({}, {}, "name the file and its array"),
        ({"array": "prob"}, {}, r"prob has shape \(5, 2\) for 3 ids"),
        ({"array": "prob", "offset": "offset"}, {"offset": np.array([0, 3, 2, 5])}, "an offset of"),
        ({"array": "au"}, {"id": np.array(["a", "b", "a"])}, "id names a clip twice"),
        ({"array": "au"}, {"au": np.array([{}] * 3)}, "'au' holds pickled objects"),
    ],
)
def test_a_wrong_npz_is_told(tmp_path: Path, options: dict, changes: dict, sentence: str) -> None:
    path = write_npz(tmp_path / "x.npz", **changes)
    with pytest.raises(InputError, match=sentence):
        build_extractor("npz", {"path": str(path), **options})
