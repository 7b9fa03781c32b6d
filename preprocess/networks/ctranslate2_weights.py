"""The tensors of a model that CTranslate2 wrote, read without CTranslate2.

CTranslate2 itself gives only what its own forward pass ends with. The format is its converters'
(``ctranslate2.specs.model_spec``), all numbers little-endian: the format's version; the spec's name
and revision; the number of tensors; then of each its name, rank, shape, type, bytes and content.
A name is its length with a closing zero byte, then its bytes.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError

VERSION = 6  # of the format; the one whose layout is written above
TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}  # ctranslate2.DataType


def read_weights(path: Path, wanted: Callable[[str], bool]) -> dict[str, NDArray[Any]]:
    """The tensors whose name is wanted.

    Args:
        path: a ``model.bin``.
        wanted: told each name, whether to keep that tensor.

    Returns:
        {name: array}, halves widened to float32.

    Raises:
        InputError: no such file, another version of the format, or one cut short.
    """
    try:
        with path.open("rb") as file:
            return _tensors(file, wanted, path)
    except OSError as error:
        raise InputError(f"{path}: the model cannot be read ({error})") from error
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise InputError(
            f"{path}: is no whole CTranslate2 model ({error}); remove it, to have it fetched again"
        ) from error


def _tensors(file: BinaryIO, wanted: Callable[[str], bool], path: Path) -> dict[str, NDArray[Any]]:
    version = _number(file, "I")
    if version != VERSION:
        raise InputError(f"{path}: its format has version {version}, expected {VERSION}")
    _name(file), _number(file, "I")
    found = {}
    for _ in range(_number(file, "I")):
        name = _name(file)
        shape = [_number(file, "I") for _ in range(_number(file, "B"))]
        dtype = np.dtype(TYPES[_number(file, "B")])
        size = _number(file, "I")
        if not wanted(name):
            file.seek(size, 1)
            continue
        content = file.read(size)
        if len(content) != size or size != dtype.itemsize * int(np.prod(shape)):
            raise InputError(f"{path}: {name} is cut short; remove it, to have it fetched again")
        array = np.frombuffer(content, dtype).reshape(shape)
        found[name] = array.astype(np.float32) if dtype.kind == "f" else array
    return found


def _number(file: BinaryIO, kind: str) -> int:
    layout = "<" + kind
    return int(struct.unpack(layout, file.read(struct.calcsize(layout)))[0])


def _name(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()
