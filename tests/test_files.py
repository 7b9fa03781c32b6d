"""A file is there whole or not at all."""

import errno
import hashlib
from pathlib import Path

import pytest

from mia_fairseq.errors import InputError
from mia_fairseq.files import atomic_path, full_disk, sha256_of, write_whole


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


def test_a_full_disk_is_a_sentence_and_other_errors_stay(tmp_path: Path) -> None:
    told = full_disk(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert isinstance(told, InputError)
    assert "free some and run the same command again" in str(told)
    other = OSError(errno.EACCES, "no")
    assert full_disk(other, tmp_path) is other
