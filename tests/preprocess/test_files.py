"""A file is there whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from preprocess.files import atomic_path, sha256_of


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
