"""RAVDESS: what its names say, and folds of whole actors."""

from collections import Counter
from pathlib import Path

import pytest
from harness import touch

from mia_fairseq.errors import InputError
from preprocess.corpora import ravdess
from preprocess.tables.manifest import read_manifest


def test_names_say_what_a_clip_is(tmp_path: Path) -> None:
    for name in (
        *("03-01-05-02-02-01-16.wav", "Actor_04/02-01-01-01-01-02-04.mp4", "notes.txt"),
        *("01-01-05-02-02-01-16.mp4", "03-02-05-02-02-01-16.wav", "03-01-09-02-02-01-16.wav"),
    ):
        touch(tmp_path / "clips" / name)
    touch(tmp_path / "clips" / "03-01-02-01-01-01-02.wav", "")
    with pytest.raises(InputError, match="3 clips of RAVDESS's speech, not 1440"):
        ravdess.main([str(tmp_path / "clips"), "--out", str(tmp_path / "m.tsv")])
    ravdess.main([str(tmp_path / "clips"), "--out", str(tmp_path / "m.tsv"), "--partial"])
    rows = {row.id: row for row in read_manifest(tmp_path / "m.tsv").rows}
    told = {i: (r.label, r.text, r.group, r.speaker, r.fold, r.split) for i, r in rows.items()}
    assert told == {
        "01-05-02-02-01-16": (
            *("angry", "Dogs are sitting by the door.", "actor16", "actor16", 0, "all"),
        ),
        "01-01-01-01-02-04": (
            *("neutral", "Kids are talking by the door.", "actor04", "actor04", 4, "all"),
        ),
        "01-02-01-01-01-02": (
            *("calm", "Kids are talking by the door.", "actor02", "actor02", 0, "all"),
        ),
    }
    faults = (tmp_path / "m.faults.tsv").read_text()
    assert "01-05-02-02-01-16\t01-01-05-02-02-01-16.mp4 is of the same performance" in faults
    assert "03-01-09-02-02-01-16.wav\tits name is none of RAVDESS's" in faults
    assert "01-02-01-01-01-02\t03-01-02-01-01-01-02.wav is empty" in faults


def test_the_folds_are_all_actors_once() -> None:
    actors = [actor for fold in ravdess.ACTORS_OF_FOLDS for actor in fold]
    assert sorted(actors) == list(range(1, 25))


def test_the_real_clips_are_those_of_their_table(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "ravdess"
    corpus = ravdess.read_ravdess(folder / "audio")
    table = [line.split(",") for line in (folder / "labels.csv").read_text().splitlines()]
    known = [dict(zip(table[0], line, strict=True)) for line in table[1:]]
    assert {(row.id, row.label, row.text, str(row.fold)) for row in corpus.rows} == {
        (row["id"], row["emotion"], row["text"], row["fold"]) for row in known
    }
    assert len(corpus.rows) == 1440 and not corpus.faults
    assert Counter(row.group for row in corpus.rows) == {f"actor{a:02}": 60 for a in range(1, 25)}


def test_all_clips_can_be_for_training(tmp_path: Path) -> None:
    touch(tmp_path / "clips" / "03-01-05-02-02-01-16.wav")
    flags = ("--out", str(tmp_path / "m.tsv"), "--partial", "--train-on-all")
    ravdess.main([str(tmp_path / "clips"), *flags])
    (row,) = read_manifest(tmp_path / "m.tsv").rows
    assert (row.split, row.fold, row.group) == ("train", None, "actor16")
