"""Lists and NAME=VALUE as command lines have them: read in one place, refused in one wording."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from mia_fairseq.errors import InputError

Value = TypeVar("Value")


def comma_separated(text: str | None) -> list[str]:
    """The parts of a list written with commas, without blanks around them and empty ones."""
    return [part for part in map(str.strip, (text or "").split(",")) if part]


def name_value(
    text: str, flag: str, form: str = "NAME=VALUE", *, empty: bool = False
) -> tuple[str, str]:
    """Reads one ``NAME=VALUE``; the value may hold further equals signs.

    Args:
        text: what was given.
        flag: the option, for the error.
        form: what is expected, for the error; an example says more than the bare form.
        empty: whether the value may be empty.

    Returns:
        The name and the value, without blanks around them.

    Raises:
        InputError: the equals sign or either side of it is missing.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and (value or empty)):
        raise InputError(f"{flag} is {text!r}, expected the form {form}")
    return name, value


def name_values(
    texts: Iterable[str], flag: str, convert: Callable[[str], Value], form: str = "NAME=VALUE"
) -> dict[str, Value]:
    """Reads several ``NAME=VALUE``, each name once.

    Args:
        texts: what was given.
        flag: the option, for the error.
        convert: from a value's text to the value; its ``ValueError`` means a wrong text.
        form: what is expected, for the error.

    Returns:
        {name: value}, in the given order.

    Raises:
        InputError: one is not of the form, its value is none, or a name comes twice.
    """
    found: dict[str, Value] = {}
    for text in texts:
        name, value = name_value(text, flag, form)
        if name in found:
            raise InputError(f"{flag} names {name!r} twice, the second time as {text!r}; leave one")
        try:
            found[name] = convert(value)
        except ValueError as error:
            raise InputError(f"{flag} is {text!r}, expected the form {form}") from error
    return found
