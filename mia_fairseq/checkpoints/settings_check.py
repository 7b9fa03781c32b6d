"""The settings in a checkpoint, held against the dataclass of what is to be built from them."""

import math
import typing
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

from mia_fairseq.errors import InputError, quoted, shortened

LARGEST = 1 << 31  # no size of a network, seed or count is above


def check_settings(given: Mapping[str, Any], kind: Any, where: str) -> None:
    """Raises `InputError` unless each setting has the type of the dataclass's field of its name.

    Args:
        given: settings by name; those of other versions, which the dataclass has not, are left to
            fairseq, which drops them.
        kind: the dataclass.
        where: of what file and component, for messages.
    """
    hints = typing.get_type_hints(kind)
    for setting in fields(kind):
        if setting.name in given and not _fits(given[setting.name], hints[setting.name]):
            raise InputError(
                f"{where}: its setting {setting.name} is {quoted(given[setting.name])}, expected "
                f"{_named(hints[setting.name])}; give a checkpoint as fairseq-train wrote it"
            )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value can be that of a field."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if type(None) in inside:
        return value is None or any(_fits(value, part) for part in inside)
    if origin in (list, tuple):
        return isinstance(value, list | tuple) and all(_fits(part, inside[0]) for part in value)
    if not isinstance(hint, type) or hint is object:  # a user's own dataclass may say Any
        return True
    if issubclass(hint, Enum):
        return isinstance(value, str) and value in [str(choice.value) for choice in hint]
    if hint is float:
        return _is_number(value) and math.isfinite(value)
    if hint is int:
        return _is_number(value) and isinstance(value, int) and abs(value) <= LARGEST
    return isinstance(value, hint)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (isinstance(value, float) or abs(value) < 1 << 63)
    )


def _named(hint: Any) -> str:
    """A field's type as messages have it."""
    inside = [part for part in typing.get_args(hint) if part is not type(None)]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(str(choice.value) for choice in hint)
    if inside and type(None) in typing.get_args(hint):
        return f"{_named(inside[0])} or nothing"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return names.get(hint, shortened(hint))
