"""Reads pickles of arrays as data: no object that the file names is ever built or called.

Python's own unpickler calls what a file asks for, and NumPy's constructors crash on crafted
arguments even when nothing else is admitted. Here the opcodes (as `pickletools` names them) are
followed on a stack of plain values; the few NumPy names that a pickled array consists of are
taken apart into shape, type and bytes, checked against each other, and read by `np.frombuffer`.
"""

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device
from preprocess.tables.pickled_values import (
    PickledArray,
    PickledName,
    PickledType,
    PickleError,
    array_of,
    as_text,
    pickled_type,
    plain,
    refused,
)

_MARK = object()
_MULTIARRAY = tuple(f"numpy.{core}.multiarray" for core in ("core", "_core"))
_NUMERIC = tuple(f"numpy.{core}.numeric" for core in ("core", "_core"))
_BYTES = ("__builtin__", "builtins")
_ADMITTED = (
    *(PickledName("numpy", name) for name in ("ndarray", "dtype")),
    *(PickledName(module, "bytes") for module in _BYTES),
    *(PickledName(module, name) for module in _MULTIARRAY for name in ("_reconstruct", "scalar")),
    *(PickledName(module, "_frombuffer") for module in _NUMERIC),
    PickledName("_codecs", "encode"),
)


def read_pickle(path: Path) -> Any:
    """Reads a pickle of arrays, numbers, strings and plain containers.

    Strings of Python 2 and bytes become `str` (UTF-8, else Latin-1); arrays of objects that are
    lists of strings become lists. Memory is in proportion to the file.

    Args:
        path: of any protocol, 0 to 5.

    Raises:
        InputError: no such file, no pickle, a truncated one, or one that holds anything else.
    """
    check_is_no_device(path)
    try:
        with path.open("rb") as file:
            return load_pickle(file)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except PickleError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name another file") from error


def load_pickle(file: IO[bytes]) -> Any:
    """As `read_pickle`, of an open file.

    Raises:
        PickleError: it is no pickle, or holds anything else.
    """
    stack = _Stack()
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return plain(stack.pop())
            step = _STEPS.get(opcode.name)
            if step is None:
                raise PickleError(refused(f"the operation {opcode.name}"))
            step(stack, argument)
    except PickleError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PickleError(
            f"cannot be read as a pickle ({reason}); it may be truncated, fetch it again"
        ) from error
    raise PickleError("cannot be read as a pickle; it may be truncated, fetch it again")


class _Stack:
    """The pickle machine's stack and memo."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self.values.pop()
        if value is _MARK:
            raise PickleError("cannot be read as a pickle (a mark stands for a value)")
        return value

    def pop_to_mark(self) -> list[Any]:
        taken: list[Any] = []
        while (value := self.values.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def top(self, kind: type) -> Any:
        if not isinstance(self.values[-1], kind):
            raise PickleError(f"cannot be read as a pickle (no {kind.__name__} to add to)")
        return self.values[-1]

    def push(self, value: Any) -> None:
        self.values.append(value)


def _reduce(stack: _Stack, _: Any) -> None:
    arguments, name = stack.pop(), stack.pop()
    text = arguments[0] if isinstance(arguments, tuple) and arguments else None
    if not isinstance(name, PickledName) or not isinstance(arguments, tuple):
        raise PickleError(refused("a call of something that is no name"))
    if name.is_one_of(("numpy",), "dtype") and isinstance(text, str | bytes):
        stack.push(pickled_type(as_text(text)))
    elif name.is_one_of(_MULTIARRAY, "_reconstruct"):
        stack.push(PickledArray())
    elif name.is_one_of(_MULTIARRAY, "scalar") and len(arguments) == 2:
        kind, data = arguments
        if not isinstance(kind, PickledType):
            raise PickleError("a number has no type")
        stack.push(array_of(data, kind.numpy(), ()).item())
    elif name.is_one_of(_NUMERIC, "_frombuffer") and len(arguments) == 4:
        data, kind, shape, order = arguments
        array = PickledArray()
        array.fill(shape, kind, order == "F", data)
        stack.push(array)
    elif name.is_one_of(("_codecs",), "encode") and len(arguments) == 2:
        text, codec = arguments  # how protocol 2 writes bytes
        if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
            raise PickleError(refused(f"{name} of another coding"))
        stack.push(text.encode("latin1"))
    elif name.is_one_of(_BYTES, "bytes") and arguments == ():  # how protocol 2 writes no bytes
        stack.push(b"")
    else:
        raise PickleError(refused(str(name)))


def _build(stack: _Stack, _: Any) -> None:
    state = stack.pop()
    target = stack.values[-1]
    if isinstance(target, PickledType) and isinstance(state, tuple) and len(state) >= 8:
        order, fields = as_text(state[1]), state[2:5]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in fields):
            raise PickleError("an array has columns of names, expected plain numbers or strings")
        target.order = order
    elif isinstance(target, PickledArray) and isinstance(state, tuple) and len(state) == 5:
        target.fill(*state[1:])
    else:
        raise PickleError(refused("the state of an object"))


def _global(stack: _Stack, argument: Any) -> None:
    module, _, name = argument.partition(" ")
    _name(stack, module, name)


def _stack_global(stack: _Stack, _: Any) -> None:
    name, module = stack.pop(), stack.pop()
    _name(stack, module, name)


def _name(stack: _Stack, module: Any, name: Any) -> None:
    found = PickledName(str(module), str(name))
    if found not in _ADMITTED:
        raise PickleError(refused(str(found)))
    stack.push(found)


def _set_items(stack: _Stack, _: Any) -> None:
    pairs = stack.pop_to_mark()
    stack.top(dict).update(_pairs(pairs))


def _set_item(stack: _Stack, _: Any) -> None:
    value, key = stack.pop(), stack.pop()
    stack.top(dict).update(_pairs([key, value]))


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2 or not all(isinstance(key, str | bytes | int) for key in items[::2]):
        raise PickleError("a dictionary's keys are no strings or numbers")
    return dict(zip(items[::2], items[1::2], strict=True))


def _tuple(count: int) -> "_Step":
    def make(stack: _Stack, _: Any) -> None:
        stack.push(tuple([stack.pop() for _ in range(count)][::-1]))

    return make


def _append(stack: _Stack, _: Any) -> None:
    value = stack.pop()
    stack.top(list).append(value)


def _appends(stack: _Stack, _: Any) -> None:
    values = stack.pop_to_mark()
    stack.top(list).extend(values)


def _memoize(stack: _Stack, place: Any) -> None:
    stack.memo[len(stack.memo) if place is None else place] = stack.values[-1]


_Step = Callable[[_Stack, Any], object]


def _push(stack: _Stack, value: Any) -> None:
    stack.push(bytes(value) if isinstance(value, bytearray) else value)


def _push_bytes(stack: _Stack, value: Any) -> None:
    stack.push(value.encode("latin1"))  # a string of Python 2


_STEPS: dict[str, _Step] = {
    "PROTO": lambda stack, _: None,
    "FRAME": lambda stack, _: None,
    "MARK": lambda stack, _: stack.push(_MARK),
    "POP": lambda stack, _: stack.values.pop(),
    "POP_MARK": lambda stack, _: stack.pop_to_mark(),
    "DUP": lambda stack, _: stack.push(stack.values[-1]),
    "NONE": lambda stack, _: stack.push(None),
    "NEWTRUE": lambda stack, _: stack.push(True),
    "NEWFALSE": lambda stack, _: stack.push(False),
    "EMPTY_LIST": lambda stack, _: stack.push([]),
    "EMPTY_DICT": lambda stack, _: stack.push({}),
    "EMPTY_TUPLE": lambda stack, _: stack.push(()),
    "LIST": lambda stack, _: stack.push(stack.pop_to_mark()),
    "DICT": lambda stack, _: stack.push(_pairs(stack.pop_to_mark())),
    "TUPLE": lambda stack, _: stack.push(tuple(stack.pop_to_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _memoize),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"), lambda stack, place: stack.push(stack.memo[place])
    ),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _push_bytes),
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
            *("FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        _push,
    ),
}
