"""The one walk through folders of clips: what is taken, what is listed as left out."""

import os
from pathlib import Path

import pytest
from harness import touch

from mia_fairseq.errors import InputError
from preprocess.media.media_files import find_media


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
