"""HDF5 files (``.csd``) opened only if all that they hold lies in the file itself.

HDF5 can name other files: as the storage of a dataset, as the target of a link, as the sources of
a virtual dataset. Whoever opens such a file would read what its author chose on the reader's disk.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device
from mia_fairseq.memory import check_fits
from mia_fairseq.pretrained.libraries import require

AGAIN = "fetch the file again from where it was published"
BROKEN = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError, OverflowError)


def open_hdf5(path: Path) -> Any:
    """An open `h5py.File`; none of its links leads anywhere but to its own objects.

    Raises:
        InputError: no HDF5 file, or one with soft or external links, datasets stored elsewhere,
            virtual ones, or ones that hold no plain numbers or strings.
    """
    h5py = require("h5py", "h5py", "reading .csd files")
    check_is_no_device(path)
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except BROKEN as error:
        raise InputError(f"{path}: it is no HDF5 file ({error}); fetch it again") from error
    try:
        with readable(path):
            _check_group(file, path, set())
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """What HDF5 says of a damaged file as one sentence.

    Raises:
        InputError: a part of the file cannot be read.
    """
    try:
        yield
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        told = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{path}: a part of it cannot be read ({told}); {AGAIN}") from error


def _check_group(group: Any, path: Path, seen: set[int]) -> None:
    h5py = require("h5py", "h5py", "reading .csd files")
    waiting = [group]
    while waiting:
        parent = waiting.pop()
        for name in parent:
            where = f"{path}, {parent.name.rstrip('/')}/{name}"
            kind = parent.get(name, getlink=True)
            if not isinstance(kind, h5py.HardLink):
                target = getattr(kind, "filename", None)
                told = f"to the file {target!r}" if target else "to another name"
                raise InputError(f"{where}: is a link {told}, which is never followed; {AGAIN}")
            child = parent[name]
            address = h5py.h5o.get_info(child.id).addr
            if address in seen:
                raise InputError(f"{where}: is another name of an object met before; {AGAIN}")
            seen.add(address)
            if isinstance(child, h5py.Group):
                waiting.append(child)
            elif isinstance(child, h5py.Dataset):
                _check_dataset(child, where)


def _check_dataset(dataset: Any, where: str) -> None:
    if dataset.is_virtual:
        raise InputError(f"{where}: is a virtual dataset, made of other files' parts; {AGAIN}")
    if dataset.external:
        other = dataset.external[0][0]
        raise InputError(f"{where}: keeps its numbers in another file ({other!r}); {AGAIN}")


def videos_of(file: Any, path: Path) -> tuple[str, Any]:
    """The name and the group of videos of an open ``.csd``, NAME/data/VIDEO.

    Raises:
        InputError: it has none.
    """
    h5py = require("h5py", "h5py", "reading .csd files")
    with readable(path):
        for name, group in file.items():
            data = group.get("data") if isinstance(group, h5py.Group) else None
            if isinstance(data, h5py.Group) and len(data):
                return name, data
    raise InputError(f"{path}: it holds no NAME/data/VIDEO groups, so it is no .csd; name another")


def read_numbers(group: Any, name: str, path: Path, dim: int | None = None) -> NDArray[Any]:
    """(rows, columns) of a group's dataset, whole.

    Args:
        group: of one video in an open file.
        name: of the dataset in it.
        path: of the file, for messages.
        dim: how many columns it must have; None: any.

    Raises:
        InputError: it is not there, has other axes or columns, holds no real numbers, declares
            more than memory holds, or cannot be read.
    """
    h5py = require("h5py", "h5py", "reading .csd files")
    where = f"{path}, {group.name}/{name}"
    with readable(path):
        dataset = group.get(name) if isinstance(group, h5py.Group) else None
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "iuf":
            raise InputError(f"{where}: is no table of real numbers; {AGAIN}")
        shape = dataset.shape or ()
        if len(shape) != 2 or dim not in (None, shape[1]):
            wanted = "columns" if dim is None else dim
            raise InputError(f"{where}: has shape {shape}, expected (rows, {wanted}); {AGAIN}")
        check_fits(math.prod(shape) * dataset.dtype.itemsize, f"{where}: unpacked, it", AGAIN)
        values: NDArray[Any] = dataset[()]
        return values
