"""Encoders by name: ``--encoder text=hf:minilm`` runs the one registered as ``hf``."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

import mia_fairseq.encoders
from mia_fairseq.encoders.encoder import Encoder
from mia_fairseq.errors import InputError

Kind = TypeVar("Kind", bound=type[Encoder])

_ENCODERS: dict[str, type[Encoder]] = {}


def register_encoder(name: str) -> Callable[[Kind], Kind]:
    """Makes a subclass of `Encoder` known to ``--encoder`` by a name."""

    def register(cls: Kind) -> Kind:
        _ENCODERS[name] = cls
        return cls

    return register


def find_encoder(source: str) -> tuple[type[Encoder], str]:
    """The class that ``NAME:WHERE`` names, and WHERE.

    Raises:
        InputError: no encoder has that name.
    """
    for module in iter_modules(mia_fairseq.encoders.__path__):
        import_module(f"{mia_fairseq.encoders.__name__}.{module.name}")
    name, _, where = source.partition(":")
    if name not in _ENCODERS:
        raise InputError(
            f"--encoder {source!r}: no encoder is called {name!r}, expected one of "
            f"{', '.join(sorted(_ENCODERS))}, or trained, for instance text=hf:minilm"
        )
    return _ENCODERS[name], where
