"""A process that dies while it copies a checkpoint leaves the old one whole."""

import shutil
from pathlib import Path

import pytest
from fairseq.file_io import PathManager

from mia_fairseq.plugin import register

register()


def test_a_copy_that_breaks_off_leaves_what_was_there(tmp_path: Path, monkeypatch) -> None:
    source, target = tmp_path / "checkpoint1.pt", tmp_path / "checkpoint_last.pt"
    source.write_bytes(b"new and whole")
    target.write_bytes(b"old")

    def dies(_: object, place: object, **__: object) -> None:
        Path(str(place)).write_bytes(b"new and")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", dies)
        with pytest.raises(KeyboardInterrupt):
            PathManager.copy(str(source), str(target), overwrite=True)
    assert target.read_bytes() == b"old"
    assert PathManager.copy(str(source), str(target), overwrite=True)
    assert target.read_bytes() == b"new and whole"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint1.pt", "checkpoint_last.pt"]
