"""What a file holds beside its weights, refused in one sentence unless it is plain values."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError, quoted

MOST_VALUES = 1_000_000  # containers hold some thousand; lists within lists may unfold
DEEPEST = 40
AGAIN = "give a checkpoint that fairseq-train wrote, or copy it again"
_SINGLE = (str, int, float, bool, type(None))
_REFERENCE = "${"  # of OmegaConf, which would look up what it names


def check_plain(
    value: Any, path: Path | str, *, also: tuple[type, ...] = (), references: bool = False
) -> None:
    """Raises `InputError` unless a value is of dicts, lists and single values only.

    Args:
        value: what a file holds; a list that holds itself is refused, too.
        path: the file.
        also: what else may be among them.
        references: whether texts may be that refer to other settings.
    """
    left: list[tuple[Any, int]] = [(value, 0)]
    seen = 0
    while left:
        held, depth = left.pop()
        seen += 1
        inside: Iterable[Any] = ()
        if isinstance(held, Mapping):
            inside = [*held.keys(), *held.values()]
        elif isinstance(held, list | tuple):
            inside = held
        elif not (isinstance(held, (*_SINGLE, *also))):
            raise InputError(
                f"{path}: holds {type(held).__name__} among its settings, expected texts and "
                f"numbers; {AGAIN}"
            )
        if isinstance(held, str) and _REFERENCE in held and not references:
            raise InputError(
                f"{path}: its setting {quoted(held)} refers to others by {_REFERENCE}, which is "
                f"not looked up; {AGAIN}"
            )
        if seen > MOST_VALUES or depth > DEEPEST:
            raise InputError(f"{path}: its settings are nested without end; {AGAIN}")
        left += [(part, depth + 1) for part in inside]
