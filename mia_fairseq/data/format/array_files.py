"""NumPy's files, read only once their headers are known to tell the truth.

NumPy allocates what a header declares before it looks for the data. Here the declared size must be
that of the file, or of the zip's member, and must fit into memory.
"""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device
from mia_fairseq.memory import check_fits

BROKEN = (
    *(ValueError, EOFError, OSError, SyntaxError, TypeError, AttributeError, KeyError),
    *(OverflowError, MemoryError, RecursionError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)  # what NumPy and zipfile raise for damaged files


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype that a .npy declares; the file then stands at its data.

    Raises:
        ValueError: it is no .npy, or its header makes no sense.
    """
    try:
        version = np.lib.format.read_magic(file)
        newer = version != (1, 0)
        read = np.lib.format.read_array_header_2_0 if newer else np.lib.format.read_array_header_1_0
        shape, fortran, dtype = read(file)
    except BROKEN as error:
        raise ValueError(f"it is no NumPy array ({_first_line(error)})") from error
    if any(length < 0 for length in shape):
        raise ValueError(f"it is no NumPy array (its shape is {shape})")
    return shape, fortran, dtype


def read_npy(path: Path, mend: str, *, mapped: bool = False) -> Any:
    """One array of a ``.npy``.

    Args:
        path: of the file.
        mend: what to do about a broken one, for the sentence.
        mapped: leave the data on disk until they are looked at.

    Returns:
        An array; one of the type `numpy.memmap` with ``mapped``.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is truncated, too long, no .npy, or holds pickled objects.
    """
    check_is_no_device(path)
    try:
        with path.open("rb") as file:
            size = _declared(file, path.stat().st_size)
        if not mapped:
            check_fits(size, str(path), "free some memory")
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read ({_first_line(error)}); {mend}") from error


def read_npz(path: Path, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """The named arrays of a ``.npz``, or all; their size is looked up before any is unpacked.

    Byte strings come back as `str`.

    Raises:
        InputError: no such file, no .npz, an absent array, one of pickled objects, a header that
            declares another size than is packed, or more than memory holds.
    """
    check_is_no_device(path)
    try:
        with zipfile.ZipFile(path) as archive:
            there = {name.removesuffix(".npy"): name for name in archive.namelist()}
            names = list(there) if names is None else names
            absent = [name for name in names if name not in there]
            if absent:
                raise InputError(f"{path}: has no array {absent[0]!r}, it has {', '.join(there)}")
            sizes = [_declared_in(archive, there[name], name, path) for name in names]
            check_fits(sum(sizes), f"{path}: unpacked, it", "split it, or use a larger machine")
            return {name: _unpacked(archive, there[name], name, path) for name in names}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: is no whole .npz ({_first_line(error)}), expected one written by "
            "numpy.savez; it may be truncated, fetch it again"
        ) from error


def _declared(file: IO[bytes], size: int) -> int:
    """Bytes of data that the header declares, which must be those that are there."""
    shape, _, dtype = npy_header(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded")
    count = math.prod(shape) * dtype.itemsize
    if file.tell() + count != size:
        raise ValueError(f"it has {size - file.tell()} bytes of data, its header says {count}")
    return count


def _declared_in(archive: zipfile.ZipFile, member: str, name: str, path: Path) -> int:
    with archive.open(member) as file:
        try:
            return _declared(file, archive.getinfo(member).file_size)
        except ValueError as error:
            if "pickled" in str(error):
                raise InputError(
                    f"{path}: array {name!r} holds pickled objects, which are never loaded; "
                    "save it again with a plain dtype, such as float32 or str"
                ) from error
            raise


def _unpacked(archive: zipfile.ZipFile, member: str, name: str, path: Path) -> NDArray[Any]:
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        file.read()  # to the end, where the checksum is compared
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: array {name!r} holds bytes that are no UTF-8; save it again as str"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
