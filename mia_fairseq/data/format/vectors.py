"""Vectors in a file, read as they are asked for: memory does not grow with the corpus.

A memory map would do too, but the pages that it touched count as the process's own until the
system takes them back, so its resident set grows with the corpus all the same.
"""

import math
import os
import weakref
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError

AT_MOST = 1 << 30  # bytes asked for at once; Linux gives less than 2 GiB


class OpenFile:
    """A file open for reading at any place, by any number of threads and forked processes.

    Args:
        file: an open file; it may be closed afterwards.
        name: the file's name, for messages.
    """

    def __init__(self, file: BinaryIO, name: Path | str) -> None:
        self.name = name
        self.descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.descriptor)

    def read(self, start: int, size: int) -> bytes:
        """Bytes from a place on.

        Raises:
            InputError: the file has become shorter.
        """
        data = os.pread(self.descriptor, min(size, AT_MOST), start)
        while len(data) < size:
            more = os.pread(self.descriptor, min(size - len(data), AT_MOST), start + len(data))
            if not more:
                raise InputError(
                    f"{self.name}: ends before byte {start + size}, it was cut short while it was "
                    "being read; import the data again"
                )
            data += more
        return data

    def read_into(self, view: memoryview, start: int) -> None:
        """Fills a writable view of bytes from a place on; `InputError` as in `read`."""
        if os.preadv(self.descriptor, [view], start) < len(view):
            view[:] = self.read(start, len(view))


class VectorFile:
    """(n, ...) items on disk; a slice reads those and nothing stays in memory.

    Args:
        file: where they lie, one after another.
        dtype: of their numbers.
        shape: (n, d) of vectors, (n,) of tokens, (n, side, side, 3) of frames.
        offset: bytes before the first one.
    """

    def __init__(
        self, file: OpenFile, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int = 0
    ) -> None:
        self.file, self.dtype, self.shape, self.offset = file, dtype, shape, offset
        self._stride = dtype.itemsize * math.prod(shape[1:])

    @classmethod
    def of(cls, mapped: "np.memmap[Any, Any]") -> "VectorFile":
        """The file behind a memory map; the map may be dropped."""
        path = Path(str(mapped.filename))
        with path.open("rb") as file:
            return cls(OpenFile(file, path), mapped.dtype, mapped.shape, mapped.offset)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """The items of a slice without a step, (stop - start, ...), read-only."""
        start, stop, _ = rows.indices(self.shape[0])
        count = max(0, stop - start)
        data = self.file.read(self.offset + start * self._stride, count * self._stride)
        return np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])

    def take(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """The items at some places, (places, ...), each read to where it stays."""
        taken, size = np.empty((len(places), *self.shape[1:]), self.dtype), self._stride
        view = taken.data.cast("B")
        for number, place in enumerate(places.tolist()):
            part = view[number * size : (number + 1) * size]
            self.file.read_into(part, self.offset + place * size)
        return taken

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of them, in memory."""
        return np.asarray(self[:], dtype)


class Vectors(Protocol):
    """(n, ...) items in memory or on disk, read by slices without a step."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of their numbers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...

    def __array__(self) -> NDArray[Any]: ...
