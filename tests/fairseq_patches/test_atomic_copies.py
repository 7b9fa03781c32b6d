"""A process that dies while it copies a checkpoint, or a full disk, leaves the old one whole."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from mia_fairseq.errors import InputError
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


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "checkpoint_last.pt"
    checkpoint_utils.torch_persistent_save({"a": 1}, str(target))
    assert torch.load(target, weights_only=True) == {"a": 1}

    def full(_: object, file: Any) -> None:
        file.write(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:588] . PytorchStreamWriter failed")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(InputError, match=r"checkpoint_last.*as on a full disk"):
            checkpoint_utils.torch_persistent_save({"a": 2}, str(target))
    assert torch.load(target, weights_only=True) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
