"""A file is there whole or not at all."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from mia_fairseq.errors import InputError
from mia_fairseq.files import (
    atomic_path,
    check_is_no_device,
    new_folder,
    not_through_a_link,
    only_writer,
    sha256_of,
    write_whole,
)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_path(tmp_path / "out.bin") as partial:
            partial.write_bytes(b"half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_ends_well_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "out.bin"
    for content in (b"first", b"second"):
        with atomic_path(path) as partial:
            assert partial.parent == path.parent
            partial.write_bytes(content)
        assert path.read_bytes() == content
        assert sha256_of(path) == hashlib.sha256(content).hexdigest()
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_of_the_files_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder, expected the name of a file to write"):
        write_whole(tmp_path, "text")
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_refused_or_waits(tmp_path: Path) -> None:
    wrote = []

    def write(who: str) -> None:
        with only_writer(tmp_path / "DATA", wait=True):
            wrote.append(who)

    second = threading.Thread(target=write, args=("second",))
    with only_writer(tmp_path / "DATA"):
        with (
            pytest.raises(InputError, match="another process is writing it"),
            only_writer(tmp_path / "DATA"),
        ):
            pass
        second.start()
        wrote.append("first")
    second.join()
    assert wrote == ["first", "second"] and list(tmp_path.iterdir()) == []


def test_temporary_names_cannot_be_foretold_and_are_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    for _ in range(20):
        with atomic_path(tmp_path / "out.bin") as partial:
            names.add(partial.name)
    assert len(names) == 20 and not any(str(os.getpid()) in name.split(".") for name in names)
    monkeypatch.setattr("mia_fairseq.files.uuid.uuid4", lambda: type("U", (), {"hex": "known"}))
    other = tmp_path / "precious"
    other.write_text("precious")
    (tmp_path / ".out.txt.known.partial").symlink_to(other)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "out.txt", "written")
    assert other.read_text() == "precious"


def test_links_are_replaced_or_refused_and_never_written_through(tmp_path: Path) -> None:
    other, folder = tmp_path / "precious", tmp_path / "folder"
    other.write_text("precious")
    folder.mkdir()
    for name in ("out.txt", ".DATA.lock", "log"):
        (tmp_path / name).symlink_to(other)
    (tmp_path / ".OUT.retired").symlink_to(folder)
    write_whole(tmp_path / "out.txt", "written")
    assert not (tmp_path / "out.txt").is_symlink()
    with (
        pytest.raises(InputError, match="is a link, which is never written through"),
        only_writer(tmp_path / "DATA"),
    ):
        pass
    with (
        pytest.raises(OSError, match="symbolic links"),
        open(tmp_path / "log", "a", opener=not_through_a_link),
    ):
        pass
    with new_folder(tmp_path / "OUT") as partial:
        (partial / "x").touch()
    assert sorted(path.name for path in (tmp_path / "OUT").iterdir()) == ["x"]
    assert folder.is_dir() and other.read_text() == "precious"


def test_a_device_is_refused_and_a_pipe_is_read(tmp_path: Path) -> None:
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match=f"{device}: is a device, expected a file or a pipe"):
            check_is_no_device(Path(device))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "nothing", Path(__file__)):
        check_is_no_device(path)
