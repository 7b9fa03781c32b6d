"""Arrays whose headers lie are refused before memory is taken."""

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq import memory
from mia_fairseq.data.format.array_files import read_npy, read_npz
from mia_fairseq.errors import InputError


def npy(shape: str, data: bytes, descr: str = "'<f4'") -> bytes:
    """A .npy of a header written by hand."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(path: Path, member: bytes, packed: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("a.npy", member)
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (npy("(1000000000000,)", bytes(8)), "8 bytes of data, its header says 4000000000000"),
        (npy("(2,)", bytes(12)), "12 bytes of data, its header says 8"),
        (npy("(-2,)", bytes(8)), "its shape is"),
        (npy("(2,)", bytes(8), "'|O'"), "pickled objects"),
        (npy("(2,)", bytes(8), "['x']*9"), "it is no NumPy array"),
        (npy("(2,", bytes(8)), "it is no NumPy array"),
        (b"PK\x03\x04", "it is no NumPy array"),
        (b"", "it is no NumPy array"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    for mapped in (False, True):
        with pytest.raises(InputError, match=told):
            read_npy(tmp_path / "a.npy", "make it again", mapped=mapped)
    with pytest.raises(InputError, match=told):
        read_npz(zipped(tmp_path / "a.npz", content), ["a"])


def test_what_unpacks_beyond_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.npz"
    np.savez_compressed(path, a=np.zeros((4096, 1024), np.float32), b=np.ones(3))  # 16 MiB
    assert path.stat().st_size < 100_000
    assert read_npz(path)["a"].shape == (4096, 1024)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 20)
    monkeypatch.setattr(np.lib.format, "read_array", None)  # it is never come to
    with pytest.raises(InputError, match=r"takes 0\.0156 GiB of memory, 0\.000977 GiB is free"):
        read_npz(path)
    with pytest.raises(InputError, match="of memory"):
        read_npy(_saved(tmp_path / "a.npy", np.zeros((1024, 1024))), "make it again")


def _saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def test_a_damaged_member_is_told(tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.save(whole, np.arange(100.0))
    path = zipped(tmp_path / "a.npz", whole.getvalue(), zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[400] ^= 1  # in the data: only the checksum tells
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is no whole \.npz .*CRC"):
        read_npz(path, ["a"])


def test_bytes_become_text_and_absent_arrays_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([b"one", "zwölf".encode()]), b=np.array([b"\xff"]))
    assert read_npz(tmp_path / "a.npz", ["a"])["a"].tolist() == ["one", "zwölf"]
    with pytest.raises(InputError, match="holds bytes that are no UTF-8"):
        read_npz(tmp_path / "a.npz", ["b"])
    with pytest.raises(InputError, match="has no array 'c', it has a, b"):
        read_npz(tmp_path / "a.npz", ["c"])


def test_free_memory_is_that_of_the_closest_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory.available_bytes() <= whole
    monkeypatch.setattr(memory, "_of_process", lambda: 5)
    assert memory.available_bytes() == 5
