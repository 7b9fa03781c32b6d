"""CMU-MOSI and CMU-MOSEI to manifests: small folders of the layouts that their releases have, and
the real labels if there."""

import json
from pathlib import Path

import numpy as np
import pytest
from harness import touch

from mia_fairseq.errors import InputError
from preprocess.corpora import cmu, mosei, mosi
from preprocess.tables.manifest import Row, read_manifest


def test_a_labels_table_with_a_folder_a_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "MOSI"
    table = "video_id,clip_id,text,label,annotation,mode\n"
    table += (
        'a_b,1,"WELL, YES",2.4,Positive,train\na_b,10,NO,-3,Negative,valid\nc,2,,0,Neutral,test\n'
    )
    touch(raw / "label.csv", table)
    one = touch(raw / "Raw/a_b/1.mp4")
    touch(raw / "Audio/a_b/1.wav")
    only_sound = touch(raw / "Audio/c/2.wav")
    mosi.main([str(raw), "--out", str(tmp_path / "m.tsv"), "--partial"])
    rows = read_manifest(tmp_path / "m.tsv").rows
    assert rows == [
        Row("a_b_1", "train", "2.4", one, "WELL, YES", None, None, "a_b", 1),
        Row("a_b_10", "valid", "-3", None, "NO", None, None, "a_b", 10),
        Row("c_2", "test", "0", only_sound, "", None, None, "c", 2),
    ]
    faults = (tmp_path / "m.faults.tsv").read_text().splitlines()
    assert faults[1:] == ["a_b_10\tits media file is missing", "c_2\tit has no words"]
    assert "(official: 1284/229/686)" in capsys.readouterr().out


def test_labels_by_id_with_the_releases_own_transcripts(tmp_path: Path) -> None:
    raw = tmp_path / "MOSI"
    touch(raw / "labels.csv", "split,id,emo,val\ntrain,v_1,0,-1.0\nval,v_2,0,0.5\n")
    clip = touch(raw / "Raw/Video/Segmented/v_1.mp4")
    touch(raw / "Raw/Transcript/Segmented/v.annotprocessed", "1_DELIM_FIRST\n2_DELIM_SECOND\n")
    corpus = cmu.read_cmu("CMU-MOSI", raw, None, None)
    assert corpus.rows == [
        Row("v_1", "train", "-1.0", clip, "FIRST", None, None, "v", 1),
        Row("v_2", "valid", "0.5", None, "SECOND", None, None, "v", 2),
    ]


@pytest.fixture
def sdk_raw(tmp_path: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    raw = tmp_path / "MOSEI"
    whole = touch(raw / "Raw/Videos/Full/Combined/v.mp4")
    touch(raw / "Raw/Videos/Segmented/Combined/w_4.mp4")
    assert whole.is_file()
    lines = "v___0___0.0___2.5___hello there\nv___7___5.01___9.0___and bye\n"
    touch(raw / "Raw/Transcript/Segmented/Combined/v.txt", lines)
    touch(raw / "Raw/Transcript/Segmented/Combined/w.txt", "w___4___1.0___2.0___words\n")
    folds = "standard_train_fold=['v']\nstandard_valid_fold=['w']\nstandard_test_fold=[]\n"
    touch(raw / "cmu_mosei_std_folds.py", folds + "raise SystemExit('this was run')\n")
    with h5py.File(raw / "CMU_MOSEI_Labels.csd", "w") as file:
        for video, scores, times in (
            ("v", [1.5, -2 / 3], [[0.0, 2.5], [5.0, 9.0]]),
            ("w", [0.0, 3.0], [[1.0, 2.0], [4.0, 6.0]]),
            ("not_in_the_folds", [0.0], [[0.0, 1.0]]),
        ):
            group = file.create_group(f"All Labels/data/{video}")
            group["features"] = np.array([[score, 0, 0] for score in scores])
            group["intervals"] = np.array(times)
    return raw


def test_the_sdks_labels_folds_and_transcripts(sdk_raw: Path) -> None:
    corpus = cmu.read_cmu("CMU-MOSEI", sdk_raw, None, None)
    whole = sdk_raw / "Raw/Videos/Full/Combined/v.mp4"
    part = sdk_raw / "Raw/Videos/Segmented/Combined/w_4.mp4"
    assert corpus.rows == [
        Row("v_0", "train", "1.5", whole, "hello there", 0.0, 2.5, "v", 0),
        Row("v_7", "train", "-0.666667", whole, "and bye", 5.0, 9.0, "v", 7),
        Row("w_4", "valid", "0", part, "words", None, None, "w", 4),
        Row("w_2", "valid", "3", None, None, 4.0, 6.0, "w", 2),
    ]
    assert corpus.faults == [
        ("w_2", "its media file is missing"),
        ("w_2", "it has no words"),
    ]


@pytest.mark.parametrize(
    ("starts", "clips"),
    [
        ([5.0, 10.4], ["2", "4"]),  # the second is no clip of the transcript, and 2 is taken
        ([5.1, 5.0], ["4", "2"]),  # the nearest has the words
        ([7.0, 7.0, 0.0], ["4", "5", "1"]),
        ([10.0, 5.0, 0.0], ["3", "2", "1"]),
    ],
)
def test_no_two_labels_of_a_video_are_one_clip(
    sdk_raw: Path, starts: list[float], clips: list[str]
) -> None:
    h5py = pytest.importorskip("h5py")
    lines = "v___1___0.0___4___one\nv___2___5.0___9___two\nv___3___10.0___12___three\n"
    touch(sdk_raw / "Raw/Transcript/Segmented/Combined/v.txt", lines)
    with h5py.File(sdk_raw / "CMU_MOSEI_Labels.csd", "w") as file:
        group = file.create_group("All Labels/data/v")
        group["features"] = np.zeros((len(starts), 3))
        group["intervals"] = np.array([[start, start + 1] for start in starts])
    rows = cmu.read_cmu("CMU-MOSEI", sdk_raw, None, None).rows
    assert [row.id for row in rows] == [f"v_{clip}" for clip in clips]
    said = {"1": "one", "2": "two", "3": "three"}
    assert [row.text for row in rows] == [said.get(clip) for clip in clips]
    assert [row.start for row in rows] == starts


def test_what_is_hidden_is_not_read_and_what_is_read_is_not_left_out(sdk_raw: Path) -> None:
    for name in ("._CMU_MOSEI_Labels.csd", "._cmu_mosei_std_folds.py", ".x/label.csv"):
        touch(sdk_raw / name, "a note of a Mac")
    transcripts = sdk_raw / "Raw/Transcript/Segmented/Combined"
    touch(sdk_raw / ".trash/v.txt", "v___0___0___1___old\n")
    elsewhere = transcripts.rename(sdk_raw.parent / "elsewhere")
    transcripts.symlink_to(elsewhere)
    (elsewhere / "w.txt").write_bytes(b"w___4___1___2___caf\xe9 it\x92s\n")
    corpus = cmu.read_cmu("CMU-MOSEI", sdk_raw, None, None)
    assert [row.text for row in corpus.rows][:3] == ["hello there", "and bye", "café it’s"]
    assert corpus.left_out == []


def test_what_the_sdks_files_lack_is_told(sdk_raw: Path, tmp_path: Path) -> None:
    labels = sdk_raw / "CMU_MOSEI_Labels.csd"
    folds = touch(tmp_path / "folds.json", json.dumps({"standard_train_fold": ["v"]}))
    with pytest.raises(InputError, match="it has no standard_valid_fold, but standard_train_fold"):
        cmu.read_cmu("x", sdk_raw, labels, folds)
    with pytest.raises(InputError, match="the folds cannot be read"):
        cmu.read_cmu("x", sdk_raw, labels, touch(tmp_path / "folds.py", "1 +"))
    (sdk_raw / "cmu_mosei_std_folds.py").unlink()
    with pytest.raises(InputError, match="with --folds"):
        cmu.read_cmu("x", sdk_raw, labels, None)
    with pytest.raises(InputError, match="it is no HDF5 file"):
        cmu.read_cmu("x", sdk_raw, touch(tmp_path / "no.csd"), folds_of(tmp_path))


def test_transcripts_with_wrong_numbers_are_told(tmp_path: Path) -> None:
    touch(tmp_path / "raw/v.txt", "v___1___soon___2___words\n")
    with pytest.raises(InputError, match="'soon' in the line of v, 1"):
        cmu.read_transcripts(tmp_path / "raw")


def folds_of(tmp_path: Path) -> Path:
    lists = {f"standard_{split}_fold": ["v"] for split in ("train", "valid", "test")}
    return touch(tmp_path / "all.json", json.dumps(lists))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("a,b\n1,2\n", "columns a, b; expected video_id"),
        ("split,id,val\n", "the table of labels has no rows"),
        ("split,id,val\nmaybe,v_1,0\n", "line 2: split 'maybe', expected one of train"),
        ("split,id,val\ntrain,v_1,4\n", "line 2: label '4', expected a number from -3 to 3"),
        ("split,id,val\ntrain,v_1,good\n", "line 2: label 'good', expected a number"),
    ],
)
def test_a_wrong_table_of_labels_is_told(tmp_path: Path, table: str, sentence: str) -> None:
    touch(tmp_path / "raw/label.csv", table)
    with pytest.raises(InputError, match=sentence):
        mosi.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])


def test_no_labels_and_too_few_are_told(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(InputError, match=r"there is no label\.csv"):
        mosei.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])
    touch(tmp_path / "raw/label.csv", "split,id,val\ntrain,v_1,0\n")
    with pytest.raises(InputError, match="CMU-MOSEI: train has 1 rows, not 16326, valid has 0"):
        mosei.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])
    assert not (tmp_path / "m.tsv").exists()


@pytest.mark.parametrize(
    ("name", "main", "rows"), [("mosi", mosi.main, 2199), ("mosei", mosei.main, 22_856)]
)
def test_the_real_labels_have_their_official_counts_and_folds(
    shared_data: Path, tmp_path: Path, name: str, main: object, rows: int
) -> None:
    labels = shared_data / name / "labels_official.csv"
    (tmp_path / "raw").mkdir()
    assert callable(main)
    main([str(tmp_path / "raw"), "--labels", str(labels), "--out", str(tmp_path / "m.tsv")])
    manifest = read_manifest(tmp_path / "m.tsv")
    assert len(manifest.rows) == rows
    assert manifest.faults == []
    folds = json.loads((shared_data / "folds/cmu_sdk_std_folds.json").read_text())
    official = folds[f"cmu_{name}_std_folds"]
    for row in manifest.rows:
        if name == "mosi":
            assert row.group in official[f"standard_{row.split}_fold"]
