"""Uploads: whose they are, what is none, and that they go with the last visit that holds them."""

from pathlib import Path

import pytest

from mia_fairseq.errors import InputError
from mia_fairseq.serve.uploads import Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", most=2)


def upload(uploads: Uploads, name: str, folder: str) -> Path:
    path = uploads.folder / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_a_file_goes_with_the_last_visit_that_holds_it(uploads: Uploads) -> None:
    mine, shared = upload(uploads, "a.wav", "1"), upload(uploads, "b.wav", "2")
    uploads.hold("me", str(mine))
    for visit in ("me", "you"):
        uploads.hold(visit, str(shared))
    uploads.leave("somebody else")
    uploads.leave("me")
    assert not mine.parent.exists() and shared.is_file()
    uploads.leave("you")
    uploads.leave("you")
    assert not shared.exists() and uploads.folder.is_dir()


def test_only_what_is_held_goes(uploads: Uploads) -> None:
    """Files of one content and two names lie in one folder."""
    mine, yours = upload(uploads, "a.wav", "1"), upload(uploads, "b.wav", "1")
    uploads.hold("me", str(mine))
    uploads.leave("me")
    assert yours.is_file() and not mine.exists()


def test_a_visit_holds_so_many_files(uploads: Uploads) -> None:
    paths = [upload(uploads, "a.wav", str(number)) for number in range(3)]
    for path in (paths[0], paths[1], paths[0], paths[2]):
        uploads.hold("me", str(path))
    assert [path.exists() for path in paths] == [True, False, True]


@pytest.mark.parametrize(
    "named",
    [
        "../secret.mp4",
        "uploads/../secret.mp4",
        "secret.mp4",
        "uploads",  # whose parent holds everything else
        "uploads/1",
        "uploads/lies_loose.mp4",
        "uploads/1/deeper/a.mp4",
        "uploads/link/secret.mp4",
        "",
        "\0",
    ],
)
def test_files_that_were_not_uploaded_are_neither_read_nor_removed(
    uploads: Uploads, tmp_path: Path, named: str
) -> None:
    upload(uploads, "a.mp4", "1/deeper")
    for path in (tmp_path / "secret.mp4", uploads.folder / "lies_loose.mp4"):
        path.write_bytes(b"x")
    (uploads.folder / "link").symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="was not uploaded here"):
        uploads.hold("me", f"{tmp_path}/{named}")
    uploads.leave("me")
    assert sorted(tmp_path.rglob("*")) == before
