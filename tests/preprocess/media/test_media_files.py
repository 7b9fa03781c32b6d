"""The one walk through folders of clips: what is taken, what is listed as left out."""

import os
from pathlib import Path

import pytest
from harness import touch

from mia_fairseq.errors import InputError
from mia_fairseq.predict.clips import find_clips
from preprocess.corpora import folder
from preprocess.corpora.common import Media
from preprocess.media.media_files import find_media, visible
from preprocess.tables.manifest import Row, read_manifest, why_unreadable


def told(folder: Path) -> tuple[list[str], dict[str, str]]:
    found = find_media(folder)
    clips = [path.relative_to(folder).as_posix() for path in found.clips]
    return clips, {path.relative_to(folder).as_posix(): why for path, why in found.left_out}


def test_every_file_is_taken_or_listed_and_dot_files_are_neither(tmp_path: Path) -> None:
    for name in ("b/two.MP4", "a.wav", "notes.txt", "LICENSE", "._a.wav", ".git/x.mp4", "b/.y.mp4"):
        touch(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.mp4")
    clips, left_out = told(tmp_path)
    assert clips == ["a.wav", "b/two.MP4"]
    assert left_out == {
        "LICENSE": "a name without a suffix is none of a media file",
        "notes.txt": "its suffix .txt is none of a media file",
        "pipe.mp4": "it is no regular file",
    }


def test_links_are_followed_once(tmp_path: Path) -> None:
    clips, outside = tmp_path / "clips", tmp_path / "outside"
    touch(clips / "sub" / "b.mp4")
    touch(outside / "c.mp4")
    (clips / "a.mp4").symlink_to(clips / "sub" / "b.mp4")  # sorted before what it points to
    (clips / "again").symlink_to(clips / "sub")
    (clips / "loop").symlink_to(clips)
    (clips / "more").symlink_to(outside)
    (clips / "more2").symlink_to(outside)
    (clips / "gone.mp4").symlink_to(tmp_path / "nothing.mp4")
    names, left_out = told(clips)
    assert names == ["more/c.mp4", "sub/b.mp4"]
    assert sorted(left_out) == ["a.mp4", "again", "gone.mp4", "loop", "more2"]
    assert left_out["a.mp4"] == f"it is the same file as {clips}/sub/b.mp4"
    assert left_out["loop"] == f"it is the same folder as {clips}"
    assert "No such file" in left_out["gone.mp4"]
    assert find_media(clips).aliases == {clips / "a.mp4": clips / "sub" / "b.mp4"}


def test_a_link_out_and_back_in_gives_each_file_once(tmp_path: Path) -> None:
    clips = tmp_path / "above" / "clips"
    touch(clips / "a.mp4")
    touch(tmp_path / "above" / "b.mp4")
    (clips / "up").symlink_to(tmp_path / "above")
    names, left_out = told(clips)
    assert names == ["a.mp4", "up/b.mp4"]
    assert list(left_out) == ["up/clips"]


def test_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        find_media(tmp_path / "none")


def test_what_is_hidden_is_not_visible(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "._a.csv", ".git/c.csv", "sub/d.csv", "sub/._d.csv"):
        touch(tmp_path / name)
    names = [
        path.relative_to(tmp_path).as_posix() for path in visible(tmp_path, "*.csv", "*/*.csv")
    ]
    assert names == ["a.csv", "b.csv", "sub/d.csv"]


def test_corpora_and_prediction_take_the_same_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips, outside = tmp_path / "clips", tmp_path / "outside"
    for name in ("a.mp4", "sub/b.wav", "._a.mp4", ".trash/x.mp4", "notes.txt", "sub/Thumbs.db"):
        touch(clips / name)
    touch(outside / "c.mov")
    (clips / "more").symlink_to(outside)
    (clips / "loop").symlink_to(clips)
    (clips / "z.mp4").symlink_to(clips / "a.mp4")
    (clips / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    asked = [Path(clip.id) for clip in find_clips([clips], None)]
    media = Media(clips)
    assert asked == media.files.clips == [clips / n for n in ("a.mp4", "more/c.mov", "sub/b.wav")]
    for path in media.files.clips:
        media.take(path)
    reasons = dict(media.left_out())
    assert set(reasons) == {"z.mp4", "loop", "gone.mp4", "notes.txt", "sub/Thumbs.db"}
    for name, reason in reasons.items():
        assert f"left out: {clips / name}: {reason}" in caplog.text
    caplog.clear()
    again = find_clips([clips / "a.mp4", clips, clips / "sub"], None)
    assert [Path(clip.id) for clip in again] == asked
    assert f"left out: {clips / 'sub/b.wav'}: it is taken already, as {clips}" in caplog.text


def test_a_name_that_is_no_utf8_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = tmp_path / "clips"
    touch(clips / "a.mp4")
    odd = clips / os.fsdecode(b"caf\xe9.mp4")
    odd.write_bytes(b"x")
    touch(clips / os.fsdecode(b"not\xe9.txt"))
    assert [clip.id for clip in find_clips([clips], None)] == [
        *(str(clips / "a.mp4"), f"{clips}/caf\\udce9.mp4"),
    ]
    assert "not\\udce9.txt" in caplog.text and caplog.text.encode()
    table = touch(tmp_path / "t.csv", "id,label\na,joy\n")
    folder.main([str(clips), "--table", str(table), "--out", str(tmp_path / "m.tsv")])
    assert [row.id for row in read_manifest(tmp_path / "m.tsv").rows] == ["a"]
    assert "caf\\udce9.mp4\tno row names it" in (tmp_path / "m.left_out.tsv").read_text("utf-8")
    row = Row("b", "train", "joy", odd)
    assert "characters that UTF-8 has not" in (why_unreadable(row) or "")
