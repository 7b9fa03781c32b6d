"""Vectors on disk: slices are what NumPy reads, and nothing stays in memory."""

import gc
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.data.format import vectors
from mia_fairseq.data.format.vectors import OpenFile, VectorFile
from mia_fairseq.data.statistics import column_moments, in_chunks
from mia_fairseq.errors import InputError


def saved(path: Path, array: np.ndarray) -> VectorFile:
    np.save(path, array)
    return VectorFile.of(np.load(path, mmap_mode="r"))


@pytest.mark.parametrize("dtype", ["float32", "float16", ">f4"])
def test_slices_are_the_arrays(tmp_path: Path, dtype: str) -> None:
    array = np.random.default_rng(0).normal(size=(50, 7)).astype(dtype)
    stored = saved(tmp_path / "a.npy", array)
    assert stored.shape == (50, 7) and len(stored) == 50 and stored.dtype == array.dtype
    for start, stop in ((0, 1), (3, 3), (7, 50), (49, 99), (60, 70), (-4, -1), (9, 2)):
        assert np.array_equal(stored[start:stop], array[start:stop])
        assert stored[start:stop].shape == array[start:stop].shape
    assert np.array_equal(np.asarray(stored), array)
    assert np.asarray(stored, np.float64).dtype == np.float64


def test_a_large_read_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "AT_MOST", 100)
    array = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    assert np.array_equal(saved(tmp_path / "a.npy", array)[:], array)


def test_a_file_cut_short_meanwhile_is_named(tmp_path: Path) -> None:
    stored = saved(tmp_path / "a.npy", np.ones((50, 7), np.float32))
    os.truncate(tmp_path / "a.npy", 1000)
    assert stored[:5].all()
    with pytest.raises(InputError, match=r"a\.npy: ends before byte 1528, it was cut short"):
        stored[:]


def test_the_file_is_closed_with_its_last_reader(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    with (tmp_path / "f").open("rb") as file:
        held = OpenFile(file, "f")
    descriptor = held.descriptor
    assert held.read(1, 2) == b"bc"
    del held
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_statistics_over_chunks_are_those_of_the_whole_and_small(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(3, 2, size=(60000, 40)).astype(np.float32)
    array[:, 5] = 0.1
    stored = saved(tmp_path / "a.npy", array)
    tracemalloc.start()
    try:
        mean, deviation = column_moments(in_chunks(stored), 40)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    exact = array.astype(np.float64)
    assert np.allclose(mean, exact.mean(axis=0), rtol=1e-12)
    expected = np.where(np.arange(40) == 5, 0, exact.std(axis=0))
    assert np.allclose(deviation, expected, rtol=1e-10, atol=0)
    assert peak < array.nbytes / 4


@pytest.mark.parametrize("dtype", ["float32", "float16", ">f4"])
def test_items_at_places_are_the_arrays(tmp_path: Path, dtype: str) -> None:
    array = np.random.default_rng(0).normal(size=(50, 7)).astype(dtype)
    stored, places = saved(tmp_path / "a.npy", array), np.array([49, 0, 7, 7])
    taken = stored.take(places)
    assert np.array_equal(taken, array[places]) and taken.dtype == array.dtype
    os.truncate(tmp_path / "a.npy", 200)
    with pytest.raises(InputError, match=r"a\.npy: ends before byte"):
        stored.take(places)
