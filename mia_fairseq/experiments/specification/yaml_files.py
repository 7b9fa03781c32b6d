"""YAML files read with a bound: what their references stand for is counted before it is made."""

from pathlib import Path
from typing import Any

import yaml

from mia_fairseq.errors import InputError

MOST_BYTES = 1 << 20
MOST_VALUES = 100_000  # with every reference written out


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a file.

    Raises:
        InputError: it cannot be read, is no YAML, holds something else, or is larger than any
            experiment is.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise InputError(f"{path}: has more than {MOST_BYTES:,} bytes; name an experiment")
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); name a .yaml file") from error
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        values = _count(node, {}, ()) if node is not None else 0
        if values > MOST_VALUES:
            raise InputError(
                f"{path}: stands for {values:,} values, its references written out, expected at "
                f"most {MOST_VALUES:,}; write less"
            )
        content = yaml.safe_load(text)
    except RecursionError as error:
        raise InputError(f"{path}: is nested too deep; mend it") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is no YAML ({' '.join(str(error).split())}); mend it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {type(content).__name__}, expected keys and values")
    return content


def _count(node: Any, known: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a node stands for."""
    if id(node) in above:
        raise yaml.YAMLError("a value holds itself")
    if id(node) not in known:
        parts: list[Any] = []
        if isinstance(node, yaml.SequenceNode):
            parts = list(node.value)
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_count(part, known, (*above, id(node))) for part in parts)
    return known[id(node)]
