"""Any folder with a table to a manifest."""

import csv
from pathlib import Path

import pytest
from harness import touch

from mia_fairseq.errors import InputError
from preprocess.corpora import folder
from preprocess.corpora.common import Media
from preprocess.tables.manifest import read_manifest


def test_any_folder_with_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = tmp_path / "clips"
    for name in ("a/one.mp4", "a/two.mov", "b/two.mp4", "c/three.wav", "four.mp4", "bad.mp4"):
        touch(clips / name, "" if name == "bad.mp4" else "x")
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
        "valid",
    ]
    faults = (tmp_path / "m.faults.tsv").read_text()
    assert "t.csv\tits columns mood are not used" in faults
    assert "two\t2 media files are called so" in faults
    assert "bad\tbad.mp4 is empty" in faults
    assert "gone\tits media file is missing" in faults
    assert "4 faults" in capsys.readouterr().out


def test_speakers_and_folds_come_along_and_folds_leave_nothing_to_draw(tmp_path: Path) -> None:
    lines = ["id,label,speaker,fold,corpus", "a,joy,Ross,2,c1", "b,joy,Joey,0,c2", "c,anger,,,"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    corpus = folder.read_folder(tmp_path, tmp_path / "t.csv", (0.0, 0.0), 1)
    rows = [(row.split, row.speaker, row.fold, row.corpus) for row in corpus.rows]
    assert rows == [
        ("all", "Ross", 2, "c1"),
        ("all", "Joey", 0, "c2"),
        ("train", None, None, None),
    ]


def test_a_drawn_split_keeps_groups_whole_and_follows_the_seed(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    lines = [f"u{index},1,g{index // 5}" for index in range(100)]
    touch(tmp_path / "t.csv", "id,label,group\n" + "\n".join(lines) + "\n")
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


@pytest.mark.parametrize("others", [("v0 ", " v0"), ("e\u0301  \t1", "\u00e9 1")])
def test_a_group_is_one_however_it_is_written(tmp_path: Path, others: tuple[str, str]) -> None:
    (tmp_path / "clips").mkdir()
    spellings = [others[place % 2].replace("0", str(place // 6)) for place in range(60)]
    lines = [f"u{place};1;{spelling}" for place, spelling in enumerate(spellings)]
    touch(tmp_path / "t.csv", "id;label;group\n" + "\n".join(lines) + "\n")
    for seed in range(5):
        rows = folder.read_folder(tmp_path / "clips", tmp_path / "t.csv", (0.2, 0.2), seed).rows
        parts = {(row.group, row.split) for row in rows}
        assert len(parts) == len({group for group, _ in parts}) == len(set(spellings)) // 2


def test_a_few_groups_give_each_split_one_or_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    found = {}
    for count in (5, 3, 2):
        lines = [f"u{place},1" for place in range(count)]
        table = touch(tmp_path / f"t{count}.csv", "id,label\n" + "\n".join(lines) + "\n")
        corpus = folder.read_folder(tmp_path / "clips", table, (0.1, 0.2), 1)
        found[count] = sorted(row.split for row in corpus.rows)
        told = [fault for name, fault in corpus.faults if name == table.name]
        assert (told != []) == (count == 2)
    assert found[5] == ["test", *["train"] * 3, "valid"] and found[3] == ["test", "train", "valid"]
    assert found[2] == ["train", "valid"]
    assert told == [
        "its 2 groups are too few: no rows are drawn for test; give more clips, or a column split"
    ]


def test_a_clip_is_found_by_its_name_with_suffix_and_in_either_unicode(tmp_path: Path) -> None:
    for name in ("c1.wav", "c1.mp4", "d/Mu\u0308ller.wav", "d/Zoe\u0308.wav"):
        touch(tmp_path / "clips" / name)
    lines = ["c1.wav,1,", "M\u00fcller,1,", "x,1,d/Zo\u00eb.wav", "c1.flac,1,"]
    touch(tmp_path / "t.csv", "id,label,path\n" + "\n".join(lines) + "\n")
    corpus = folder.read_folder(tmp_path / "clips", tmp_path / "t.csv", (0.1, 0.2), 1)
    names = [
        row.path and row.path.relative_to(tmp_path / "clips").as_posix() for row in corpus.rows
    ]
    assert names == ["c1.wav", "d/Mu\u0308ller.wav", "d/Zoe\u0308.wav", None]
    assert corpus.faults == [("c1.flac", "its media file is missing")]
    media = Media(tmp_path / "clips")
    assert media.get("c1.wav") is not None and media.get("vA/c1.wav") is None


def test_a_wrong_folder_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    out = ["--out", str(tmp_path / "m.tsv")]
    table = ["--table", str(tmp_path / "t.csv")]
    with pytest.raises(InputError, match="the table cannot be read"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    touch(tmp_path / "t.csv", "id,text\n")
    with pytest.raises(InputError, match="it has no column 'label', but id, text"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    touch(tmp_path / "t.csv", "id,label\n")
    with pytest.raises(InputError, match="no utterance was found"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    touch(tmp_path / "t.csv", "id,label,start\na,1,soon\n")
    with pytest.raises(InputError, match="line 2: 'soon' is no number; expected a number"):
        folder.main([str(tmp_path / "clips"), *table, *out])
    with pytest.raises(InputError, match="below 1 together"):
        folder.main([str(tmp_path / "clips"), *table, *out, "--test-fraction", "0.95"])
    with pytest.raises(InputError, match="is no folder"):
        Media(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("table", "sought"),
    [
        ("id,label,text,path\na,1,hi,clips/a.mp4\n", "clips/clips/a.mp4, and it holds b/a.mp4"),
        ("id,label,text\nb,1,hi\nc,2,you\n", "a media file called b, and it holds b/a.mp4"),
        ("id,label\nb,1\n", "a media file called b, and it holds b/a.mp4"),
    ],
)
def test_a_folder_with_none_of_the_clips_is_refused(
    tmp_path: Path, table: str, sought: str
) -> None:
    clips, out = tmp_path / "clips", tmp_path / "m.tsv"
    touch(clips / "b/a.mp4")
    touch(tmp_path / "t.csv", table)
    with pytest.raises(InputError, match=r"t\.csv: none of its \d rows has its clip") as told:
        folder.main([str(clips), "--table", str(tmp_path / "t.csv"), "--out", str(out)])
    assert sought in str(told.value) and not out.exists()


def test_a_table_of_words_alone_needs_no_clips_and_one_of_nothing_does(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    command = [str(tmp_path / "clips"), "--out", str(tmp_path / "m.tsv"), "--table"]
    folder.main([*command, str(touch(tmp_path / "t.csv", "id,label,text\na,1,hi\nb,2,\n"))])
    assert [row.text for row in read_manifest(tmp_path / "m.tsv").rows] == ["hi", ""]
    with pytest.raises(InputError, match="none of its 1 rows has its clip"):
        folder.main([*command, str(touch(tmp_path / "u.csv", "id,label,text\na,1,\n"))])


def test_files_that_no_row_uses_are_listed_with_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = tmp_path / "clips"
    for name in ("a.mp4", "b.mp4", "a.wav", "sub/notes.txt", "._a.mp4", ".hidden/c.mp4"):
        touch(clips / name)
    (clips / "z.mp4").symlink_to(clips / "b.mp4")
    table = touch(clips / "labels.csv", "id,label\na,joy\nz,anger\n")
    folder.main([str(clips), "--table", str(table), "--out", str(tmp_path / "m.tsv")])
    rows = {row.id: row.path for row in read_manifest(tmp_path / "m.tsv").rows}
    assert rows == {"a": clips / "a.mp4", "z": clips / "b.mp4"}
    assert (tmp_path / "m.left_out.tsv").read_text().splitlines() == [
        "file\treason",
        "a.wav\tno row names it",
        "sub/notes.txt\tits suffix .txt is none of a media file",
    ]
    assert "2 files that no row uses, all in" in capsys.readouterr().out
