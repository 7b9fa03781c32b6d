"""MELD's raw release to a manifest: a small folder of its layout, and its real tables if there."""

import shutil
from pathlib import Path

import pytest
from harness import touch

from mia_fairseq.errors import InputError
from preprocess.corpora import meld
from preprocess.tables.manifest import Row, read_manifest
from preprocess.tables.table_reader import read_table

MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode\n"


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
    touch(raw / "train/train_splits/dia0_utt0.mp4")
    touch(raw / "train/train_splits/dia125_utt3.mp4")
    touch(raw / "test/output_repeated_splits_test/dia0_utt0.mp4")
    touch(raw / "test/output_repeated_splits_test/dia0_utt1.mp4", "")
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
        "Joey",
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
    faults = [row.cells for row in read_table(tmp_path / "m.faults.tsv", ("id", "fault")).rows]
    assert {fault["id"]: fault["fault"] for fault in faults} == {
        "train_dia125_utt3": "corrupt in the release itself",
        "dev_dia110_utt7": "missing from the release itself",
        "test_dia0_utt1": "dia0_utt1.mp4 is empty",
    }
    told = capsys.readouterr().out
    assert "MELD, 5 rows: train 2, valid 1, test 2 (official: 9989/1109/2610)" in told
    assert "3 faults, all in" in told


def test_every_other_file_of_the_release_is_listed_and_macs_notes_are_not_read(
    meld_raw: Path,
) -> None:
    for name in ("README.txt", "extra/clip.mp4", "train/train_splits/dia9_utt9.mp4"):
        touch(meld_raw / name)
    for name in ("train_sent_emo.csv", "dev_sent_emo.csv"):
        touch(meld_raw / f"._{name}", "a note of a Mac")
    touch(meld_raw / ".backup/train_sent_emo.csv", "no table")
    corpus = meld.read_meld(meld_raw)
    assert len(corpus.rows) == 5
    assert corpus.left_out == [
        ("README.txt", "its suffix .txt is none of a media file"),
        ("extra/clip.mp4", "no row names it"),
        ("train/train_splits/dia9_utt9.mp4", "no row names it"),
    ]


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


def test_melds_real_tables_have_their_official_counts(shared_data: Path, tmp_path: Path) -> None:
    shutil.copytree(shared_data / "meld", tmp_path / "raw")
    meld.main([str(tmp_path / "raw"), "--out", str(tmp_path / "m.tsv")])
    manifest = read_manifest(tmp_path / "m.tsv")
    assert len(manifest.rows) == 13_708
    assert manifest.faults == []
    faults = (tmp_path / "m.faults.tsv").read_text().splitlines()[1:]
    assert len(faults) == 13_708  # no media here
    assert len([line for line in faults if "the release itself" in line]) == 2
    emotions = {row.label for row in manifest.rows}
    assert emotions == {"neutral", "sadness", "anger", "joy", "surprise", "fear", "disgust"}


def test_a_table_with_wrong_numbers_is_told(meld_raw: Path) -> None:
    touch(meld_raw / "test_sent_emo.csv", MELD_HEADER + "1,x,Ross,joy,positive,0,one,1,1\n")
    with pytest.raises(InputError, match="Utterance_ID 'one', expected a whole number"):
        meld.read_meld(meld_raw)
