"""What a pickled array consists of, taken apart and checked; nothing of NumPy is called with it."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MOST_DEEP = 32  # containers within containers
MOST_DIMENSIONS = 32
_TYPES = re.compile(r"(?P<kind>f[248]|[iu][1248]|b1|[US]\d{1,6}|O8?)")


class PickleError(ValueError):
    """What is wrong with a pickle, in words; the file is not named yet."""


def refused(what: str) -> str:
    """The sentence on an object that is not admitted."""
    return (
        f"the pickle asks for {what[:200]}, but only NumPy arrays and plain containers are "
        "admitted, since a pickle can run any code; save it again without that object"
    )


@dataclass(frozen=True)
class PickledName:
    """A global that the file names; never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    def is_one_of(self, modules: tuple[str, ...], name: str) -> bool:
        return self.module in modules and self.name == name


@dataclass
class PickledType:
    """A NumPy type, as far as the file has described it."""

    text: str
    order: Literal["<", ">", "|", "="] = "="

    def numpy(self) -> np.dtype[Any]:
        if self.text.startswith("O"):
            raise PickleError("an array of Python objects stands where numbers or strings belong")
        return np.dtype(self.text).newbyteorder("<" if self.order == "|" else self.order)


@dataclass
class PickledArray:
    """An array, as far as the file has described it."""

    value: Any = None

    def fill(self, shape: Any, kind: Any, fortran: Any, data: Any) -> None:
        if not isinstance(kind, PickledType):
            raise PickleError("an array has no type")
        sizes = shape_of(shape)
        if kind.text.startswith("O"):  # of strings: a plain list
            if len(sizes) != 1 or not isinstance(data, list) or len(data) != sizes[0]:
                raise PickleError(f"an array of objects has shape {sizes}, expected one dimension")
            self.value = data
            return
        self.value = array_of(data, kind.numpy(), sizes, fortran=fortran is True)


def pickled_type(text: str) -> PickledType:
    """The dtype of a pickle's text; `PickleError` for what is neither number nor string."""
    found = _TYPES.fullmatch(text.lstrip("<>=|"))
    if found is None:
        raise PickleError(f"an array is of type {text[:40]!r}, expected numbers or strings")
    return PickledType(found["kind"])


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape of a pickle, checked to be one."""
    whole = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not whole or len(shape) > MOST_DIMENSIONS:
        raise PickleError(f"an array has the shape {str(shape)[:80]}, expected counts")
    return tuple(shape)


def array_of(
    data: Any, kind: np.dtype[Any], shape: tuple[int, ...], *, fortran: bool = False
) -> NDArray[Any]:
    """The array of these bytes.

    Args:
        data: bytes, or Latin-1 text that stands for them.
        kind: its dtype.
        shape: its shape.
        fortran: whether its first index runs fastest.

    Raises:
        PickleError: they are not as many as shape and type say, or hold what is no character.
    """
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes):
        raise PickleError(f"an array's values are {type(data).__name__}, expected bytes")
    if math.prod(shape) * kind.itemsize != len(data):
        raise PickleError(
            f"an array of shape {str(shape)[:80]} and type {kind} has {len(data)} bytes, expected "
            f"{math.prod(shape) * kind.itemsize}; it is damaged, fetch it again"
        )
    if not data:
        return np.empty(shape, kind)
    flat = np.frombuffer(data, np.uint8) != 0 if kind.kind == "b" else np.frombuffer(data, kind)
    codes = np.dtype(np.uint32).newbyteorder(kind.byteorder)
    if kind.kind == "U" and np.frombuffer(data, codes).max() > 0x10FFFF:
        raise PickleError("an array of strings holds what is no character; fetch it again")
    return flat.reshape(shape, order="F" if fortran else "C")


def plain(value: Any, found: dict[int, Any] | None = None, depth: int = 0) -> Any:
    """What a file holds, without the marks of how it was read; what is shared stays shared.

    Args:
        value: of the pickle's stack.
        found: what has been made of each container so far, by its identity.
        depth: of the containers around it.

    Raises:
        PickleError: containers lie too deep or in themselves, or a name stands for a value.
    """
    found = {} if found is None else found
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, PickledArray):
        value = value.value
    if isinstance(value, PickledName | PickledType):
        raise PickleError(refused(str(value)))
    if not isinstance(value, list | tuple | dict):
        return value
    if id(value) not in found:
        if depth > MOST_DEEP:
            raise PickleError(f"its containers lie more than {MOST_DEEP} deep, or in themselves")
        if isinstance(value, dict):
            made: Any = {plain(k): plain(value[k], found, depth + 1) for k in value}
        else:
            made = [plain(item, found, depth + 1) for item in value]
        found[id(value)] = made
    return found[id(value)]


def as_text(value: Any) -> Any:
    """Bytes, or a string of Python 2, as a string: UTF-8, else Latin-1; all else as it is."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin1")
