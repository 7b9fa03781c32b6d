"""Extraction with a real model: killed for good three times and sharded, it ends the same."""

import itertools
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tqdm import tqdm

from mia_fairseq.errors import InputError
from preprocess import binarize
from preprocess.extract import main
from preprocess.extractors.base import Clip, Failure
from preprocess.extractors.minilm import MiniLM
from preprocess.tables.manifest import Row, write_manifest


@pytest.fixture
def manifest(tmp_path: Path, stored_model: Callable[[str], Path]) -> Path:
    stored_model("minilm")
    words = "I thought that it was going to be good but it was not".split()  # noqa: SIM905
    rows = [
        Row(f"c{index}", "test", "0", text=" ".join(words[: index % 13] * (1 + index % 3)))
        for index in range(45)
    ]
    write_manifest(tmp_path / "manifest.tsv", rows)
    return tmp_path / "manifest.tsv"


def _extract(manifest: Path, out: Path, *more: str) -> None:
    main([str(manifest), "--out", str(out), "--modality", "text=minilm", *more])


def _tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _killed_at(fatal: int) -> Callable[[MiniLM, Sequence[Clip]], list[np.ndarray | Failure]]:
    """MiniLM.extract, but the fatal-th call kills the process when its work is done."""
    calls = itertools.count(1)
    encode = MiniLM.extract

    def extract(self: MiniLM, clips: Sequence[Clip]) -> list[np.ndarray | Failure]:
        outputs = encode(self, clips)
        if next(calls) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return outputs

    return extract


def test_killed_three_times_and_resumed_it_ends_the_same(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _extract(manifest, tmp_path / "whole")
    tqdm.set_lock(threading.RLock())  # its usual lock is shared by forks, and would die held
    torch.set_num_threads(1)
    for fatal in (2, 3, 1):
        child = os.fork()
        if child == 0:
            monkeypatch.setattr(MiniLM, "extract", _killed_at(fatal))
            try:
                _extract(manifest, tmp_path / "killed", "--batch-size", "6")
            finally:
                os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(list(tmp_path.glob("killed/text/*.npy"))) == 6 * (1 + 2 + 0)
    with pytest.raises(InputError, match="arrays are missing"):
        _extract(manifest, tmp_path / "killed", "--merge")
    _extract(manifest, tmp_path / "killed", "--batch-size", "13")
    assert _tree(tmp_path / "killed") == _tree(tmp_path / "whole")
    for name in ("killed", "whole"):
        command = [str(manifest), "--features", str(tmp_path / name), "--corpus", "c"]
        binarize.main([*command, "--out", str(tmp_path / f"DATA_{name}")])
    data = _tree(tmp_path / "DATA_killed")
    assert data == _tree(tmp_path / "DATA_whole") and "test.text.npy" in data


def test_two_shards_merged_equal_one_process(manifest: Path, tmp_path: Path) -> None:
    _extract(manifest, tmp_path / "one", "--pool", "mean", "--dtype", "float16")
    for shard in ("0/2", "1/2"):
        _extract(
            manifest, tmp_path / "two", "--pool", "mean", "--dtype", "float16", "--shard", shard
        )
    _extract(manifest, tmp_path / "two", "--merge")
    assert _tree(tmp_path / "one") == _tree(tmp_path / "two")
