"""The names of what goes into a model's graph and of what comes out; needs no library.

A batch is tables in tables: ``features`` and ``lengths`` by modality, ``talk``, and ``windows``
of tables. Its arrays are called by their path, say ``features.text`` and ``windows.own.text``.
"""

from collections.abc import Mapping
from typing import Any

PREDICTION, FURTHER = "prediction", "further."  # outputs; behind the second a label's name
_WINDOWS = "windows"


def named(batch: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a batch by name."""
    found: dict[str, Any] = {}
    for group, table in batch.items():
        for name, held in table.items():
            if group == _WINDOWS:
                found |= {f"{group}.{part}.{name}": array for part, array in held.items()}
            else:
                found[f"{group}.{name}"] = held
    return found


def nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The batch of arrays that `named` gave."""
    batch: dict[str, Any] = {}
    for path, array in arrays.items():
        group, _, name = path.partition(".")
        table = batch.setdefault(group, {})
        if group == _WINDOWS:
            part, _, name = name.partition(".")
            table.setdefault(name, {})[part] = array
        else:
            table[name] = array
    return batch
