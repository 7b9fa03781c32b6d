"""Raw releases to manifests: small folders of the same layouts, and the real tables if there."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.corpora import cmu, folder, meld, mosei, mosi
from preprocess.corpora.common import Corpus, Media, finish, read_csv
from preprocess.manifest import Row, read_manifest

MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode\n"


def _touch(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def _shared() -> Path:
    default = Path(__file__).parents[3].parent / "shared" / "data"
    path = Path(os.environ.get("MIA_SHARED_DATA", default))
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set MIA_SHARED_DATA to the folder of public tables")
    return path


# ---- MELD


@pytest.fixture
def meld_raw(tmp_path: Path) -> Path:
    raw = tmp_path / "MELD.Raw"
    rows = {
        "train": ["1,Hi\x92,Joey,joy,positive,0,0", "2,x,Joey,anger,negative,125,3"],
        "dev": ["1,No,Ross,Sadness,negative,110,7"],
        "test": ['1,"A, b",Ross,neutral,neutral,0,0', "2,c,Ross,neutral,neutral,0,1"],
    }
    raw.mkdir()
    for name, lines in rows.items():
        content = MELD_HEADER + "".join(f"{line},1,1\n" for line in lines)
        (raw / f"{name}_sent_emo.csv").write_bytes(content.encode("cp1252", "replace"))
    (raw / "train_sent_emo.csv").write_bytes(
        (MELD_HEADER + "1,Hi\u2019,Joey,joy,positive,0,0,1,1\n").encode("cp1252")
        + b"2,x,Joey,anger,negative,125,3,1,1\n"
    )
    _touch(raw / "train/train_splits/dia0_utt0.mp4")
    _touch(raw / "train/train_splits/dia125_utt3.mp4")
    _touch(raw / "test/output_repeated_splits_test/dia0_utt0.mp4")
    _touch(raw / "test/output_repeated_splits_test/dia0_utt1.mp4", "")
    return raw


def test_meld_of_its_own_layout_with_its_known_faults(
    meld_raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meld.main([str(meld_raw), "--out", str(tmp_path / "m.tsv"), "--partial"])
    manifest = read_manifest(tmp_path / "m.tsv")
    clips = meld_raw / "train/train_splits"
    assert manifest.rows[0] == Row(
        "train_dia0_utt0",
        "train",
        "joy",
        clips / "dia0_utt0.mp4",
        "Hi’",
        None,
        None,
        "train_dia0",
        0,
    )
    assert [row.id for row in manifest.rows] == [
        "train_dia0_utt0",
        "train_dia125_utt3",
        "dev_dia110_utt7",
        "test_dia0_utt0",
        "test_dia0_utt1",
    ]
    assert [row.split for row in manifest.rows] == ["train", "train", "valid", "test", "test"]
    assert manifest.rows[2].label == "sadness"
    faults = read_csv(tmp_path / "m.faults.tsv", ("id", "fault"))
    assert {fault["id"]: fault["fault"] for fault in faults} == {
        "train_dia125_utt3": "corrupt in the release itself",
        "dev_dia110_utt7": "missing from the release itself",
        "test_dia0_utt1": "dia0_utt1.mp4 is empty",
    }
    told = capsys.readouterr().out
    assert "MELD, 5 rows: train 2, valid 1, test 2 (official: 9989/1109/2610)" in told
    assert "3 faults, all in" in told


def test_meld_sentiment_and_its_counts_are_checked(meld_raw: Path, tmp_path: Path) -> None:
    labels = [row.label for row in meld.read_meld(meld_raw, "sentiment").rows]
    assert labels == ["positive", "negative", "negative", "neutral", "neutral"]
    with pytest.raises(InputError, match=r"MELD: train has 2 rows, not 9989.* --partial"):
        meld.main([str(meld_raw), "--out", str(tmp_path / "m.tsv")])
    (meld_raw / "dev_sent_emo.csv").unlink()
    with pytest.raises(InputError, match=r"there is no dev_sent_emo\.csv"):
        meld.read_meld(meld_raw)
    with pytest.raises(InputError, match="is no folder"):
        meld.read_meld(tmp_path / "nowhere")


def test_melds_real_tables_have_their_official_counts(tmp_path: Path) -> None:
    shutil.copytree(_shared() / "meld", tmp_path / "raw")
    meld.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])
    manifest = read_manifest(tmp_path / "m.tsv")
    assert len(manifest.rows) == 13_708
    assert manifest.faults == []
    faults = (tmp_path / "m.faults.tsv").read_text().splitlines()[1:]
    assert len(faults) == 13_708  # no media here
    assert len([line for line in faults if "the release itself" in line]) == 2
    emotions = {row.label for row in manifest.rows}
    assert emotions == {"neutral", "sadness", "anger", "joy", "surprise", "fear", "disgust"}


# ---- CMU-MOSI and CMU-MOSEI


def test_a_labels_table_with_a_folder_a_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "MOSI"
    table = "video_id,clip_id,text,label,annotation,mode\n"
    table += (
        'a_b,1,"WELL, YES",2.4,Positive,train\na_b,10,NO,-3,Negative,valid\nc,2,,0,Neutral,test\n'
    )
    _touch(raw / "label.csv", table)
    one = _touch(raw / "Raw/a_b/1.mp4")
    _touch(raw / "Audio/a_b/1.wav")
    only_sound = _touch(raw / "Audio/c/2.wav")
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
    _touch(raw / "labels.csv", "split,id,emo,val\ntrain,v_1,0,-1.0\nval,v_2,0,0.5\n")
    clip = _touch(raw / "Raw/Video/Segmented/v_1.mp4")
    _touch(raw / "Raw/Transcript/Segmented/v.annotprocessed", "1_DELIM_FIRST\n2_DELIM_SECOND\n")
    corpus = cmu.read_cmu("CMU-MOSI", raw, None, None)
    assert corpus.rows == [
        Row("v_1", "train", "-1.0", clip, "FIRST", None, None, "v", 1),
        Row("v_2", "valid", "0.5", None, "SECOND", None, None, "v", 2),
    ]


@pytest.fixture
def sdk_raw(tmp_path: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    raw = tmp_path / "MOSEI"
    whole = _touch(raw / "Raw/Videos/Full/Combined/v.mp4")
    _touch(raw / "Raw/Videos/Segmented/Combined/w_4.mp4")
    assert whole.is_file()
    lines = "v___0___0.0___2.5___hello there\nv___7___5.01___9.0___and bye\n"
    _touch(raw / "Raw/Transcript/Segmented/Combined/v.txt", lines)
    _touch(raw / "Raw/Transcript/Segmented/Combined/w.txt", "w___4___1.0___2.0___words\n")
    folds = "standard_train_fold=['v']\nstandard_valid_fold=['w']\nstandard_test_fold=[]\n"
    _touch(raw / "cmu_mosei_std_folds.py", folds + "raise SystemExit('this was run')\n")
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
    _touch(sdk_raw / "Raw/Transcript/Segmented/Combined/v.txt", lines)
    with h5py.File(sdk_raw / "CMU_MOSEI_Labels.csd", "w") as file:
        group = file.create_group("All Labels/data/v")
        group["features"] = np.zeros((len(starts), 3))
        group["intervals"] = np.array([[start, start + 1] for start in starts])
    rows = cmu.read_cmu("CMU-MOSEI", sdk_raw, None, None).rows
    assert [row.id for row in rows] == [f"v_{clip}" for clip in clips]
    said = {"1": "one", "2": "two", "3": "three"}
    assert [row.text for row in rows] == [said.get(clip) for clip in clips]
    assert [row.start for row in rows] == starts


def test_what_the_sdks_files_lack_is_told(sdk_raw: Path, tmp_path: Path) -> None:
    labels = sdk_raw / "CMU_MOSEI_Labels.csd"
    folds = _touch(tmp_path / "folds.json", json.dumps({"standard_train_fold": ["v"]}))
    with pytest.raises(InputError, match="it has no standard_valid_fold, but standard_train_fold"):
        cmu.read_cmu("x", sdk_raw, labels, folds)
    with pytest.raises(InputError, match="the folds cannot be read"):
        cmu.read_cmu("x", sdk_raw, labels, _touch(tmp_path / "folds.py", "1 +"))
    (sdk_raw / "cmu_mosei_std_folds.py").unlink()
    with pytest.raises(InputError, match="with --folds"):
        cmu.read_cmu("x", sdk_raw, labels, None)
    with pytest.raises(InputError, match="it is no HDF5 file"):
        cmu.read_cmu("x", sdk_raw, _touch(tmp_path / "no.csd"), folds_of(tmp_path))


def test_tables_and_transcripts_with_wrong_numbers_are_told(meld_raw: Path, tmp_path: Path) -> None:
    _touch(meld_raw / "test_sent_emo.csv", MELD_HEADER + "1,x,Ross,joy,positive,0,one,1,1\n")
    with pytest.raises(InputError, match="Utterance_ID 'one', expected a whole number"):
        meld.read_meld(meld_raw)
    _touch(tmp_path / "raw/v.txt", "v___1___soon___2___words\n")
    with pytest.raises(InputError, match="'soon' in the line of v, 1"):
        cmu.read_transcripts(tmp_path / "raw")


def folds_of(tmp_path: Path) -> Path:
    lists = {f"standard_{split}_fold": ["v"] for split in ("train", "valid", "test")}
    return _touch(tmp_path / "all.json", json.dumps(lists))


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
    _touch(tmp_path / "raw/label.csv", table)
    with pytest.raises(InputError, match=sentence):
        mosi.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])


def test_no_labels_and_too_few_are_told(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(InputError, match=r"there is no label\.csv"):
        mosei.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])
    _touch(tmp_path / "raw/label.csv", "split,id,val\ntrain,v_1,0\n")
    with pytest.raises(InputError, match="CMU-MOSEI: train has 1 rows, not 16326, valid has 0"):
        mosei.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])
    assert not (tmp_path / "m.tsv").exists()


@pytest.mark.parametrize(
    ("name", "main", "rows"), [("mosi", mosi.main, 2199), ("mosei", mosei.main, 22_856)]
)
def test_the_real_labels_have_their_official_counts_and_folds(
    tmp_path: Path, name: str, main: object, rows: int
) -> None:
    labels = _shared() / name / "labels_official.csv"
    (tmp_path / "raw").mkdir()
    assert callable(main)
    main([str(tmp_path / "raw"), "--labels", str(labels), "--out", str(tmp_path / "m.tsv")])
    manifest = read_manifest(tmp_path / "m.tsv")
    assert len(manifest.rows) == rows
    assert manifest.faults == []
    folds = json.loads((_shared() / "folds/cmu_sdk_std_folds.json").read_text())
    official = folds[f"cmu_{name}_std_folds"]
    for row in manifest.rows:
        if name == "mosi":
            assert row.group in official[f"standard_{row.split}_fold"]


@pytest.mark.parametrize("again", ["v_1", "v  1", " v_1"])
def test_an_id_that_stands_twice_is_left_out_before_the_rows_are_counted(
    tmp_path: Path, again: str
) -> None:
    rows = [Row("v_1", "train", "1"), Row("v 1", "train", "2"), Row(again, "test", "3")]
    known = {"train": 2, "valid": 0, "test": 1}
    with pytest.raises(InputError, match="x: test has 0 rows, not 1"):
        finish(Corpus("x", rows), tmp_path / "m.tsv", known, partial=False)
    finish(Corpus("x", [*rows]), tmp_path / "m.tsv", known, partial=True)
    manifest = read_manifest(tmp_path / "m.tsv")
    assert [row.label for row in manifest.rows] == ["1", "2"] and manifest.faults == []
    told = (tmp_path / "m.faults.tsv").read_text().splitlines()[1:]
    assert told == [f"{again}\tits id stands in an earlier row already, so it is left out"]


# ---- any folder


def test_any_folder_with_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = tmp_path / "clips"
    for name in ("a/one.mp4", "a/two.mov", "b/two.mp4", "c/three.wav", "four.mp4", "bad.mp4"):
        _touch(clips / name, "" if name == "bad.mp4" else "x")
    with (tmp_path / "t.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "label", "text", "path", "start", "mood"])
        table.writerow(["one", "joy", "hi,\nyou", "", "1.5", "?"])
        table.writerow(["two", "joy", "", "", "", ""])
        table.writerow(["3", "anger", "", "c/three.wav", "", ""])
        table.writerow(["bad", "anger", "", "", "", ""])
        table.writerow(["gone", "anger", "", "", "", ""])
    out = tmp_path / "m.tsv"
    folder.main([str(clips), "--table", str(tmp_path / "t.csv"), "--out", str(out)])
    manifest = read_manifest(out)
    rows = {row.id: row for row in manifest.rows}
    assert rows["one"].path == clips / "a/one.mp4"
    assert rows["one"].text == "hi, you"
    assert rows["one"].start == 1.5
    assert rows["3"].path == clips / "c/three.wav"
    assert sorted(row.split for row in manifest.rows) == [
        "test",
        "train",
        "train",
        "train",
        "train",
    ]
    faults = (tmp_path / "m.faults.tsv").read_text()
    assert "t.csv\tits columns mood are not used" in faults
    assert "two\t2 media files are called so" in faults
    assert "bad\tbad.mp4 is empty" in faults
    assert "gone\tits media file is missing" in faults
    assert "4 faults" in capsys.readouterr().out


def test_a_drawn_split_keeps_groups_whole_and_follows_the_seed(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    lines = [f"u{index},1,g{index // 5}" for index in range(100)]
    _touch(tmp_path / "t.csv", "id,label,group\n" + "\n".join(lines) + "\n")
    corpora = [
        folder.read_folder(tmp_path / "clips", tmp_path / "t.csv", (0.1, 0.2), seed)
        for seed in (1, 1, 2)
    ]
    splits = [[row.split for row in corpus.rows] for corpus in corpora]
    assert splits[0] == splits[1] != splits[2]
    for first in range(0, 100, 5):
        assert len(set(splits[0][first : first + 5])) == 1
    assert {name: splits[0].count(name) for name in set(splits[0])} == {
        "train": 70,
        "valid": 10,
        "test": 20,
    }


def test_a_wrong_folder_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    out = ["--out", str(tmp_path / "m.tsv")]
    table = ["--table", str(tmp_path / "t.csv")]
    with pytest.raises(InputError, match="the table cannot be read"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    _touch(tmp_path / "t.csv", "id,text\n")
    with pytest.raises(InputError, match="it has no column 'label', but id, text"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    _touch(tmp_path / "t.csv", "id,label\n")
    with pytest.raises(InputError, match="no utterance was found"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    _touch(tmp_path / "t.csv", "id,label,start\na,1,soon\n")
    with pytest.raises(InputError, match=r"line 2: could not convert .*'soon'; expected a number"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    with pytest.raises(InputError, match="below 1 together"):
        folder.main([str(tmp_path / "clips"), *table, *out, "--test-fraction", "0.95"])
    with pytest.raises(InputError, match="is no folder"):
        Media(tmp_path / "nowhere")
