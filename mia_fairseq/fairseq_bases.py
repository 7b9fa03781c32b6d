"""What models take from fairseq; without fairseq, the little of it that an exported model needs.

A model that was trained here is run by fairseq's commands, or by code that has torch alone
(`mia_fairseq.export`). So models, encoders and the data set take fairseq's bases from here, and
classes of models are registered by `register_model` from here: with fairseq it is fairseq's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from torch.nn import Module

from mia_fairseq.fairseq_import import import_fairseq

Model = TypeVar("Model", bound=type)

if TYPE_CHECKING:
    from fairseq.data import FairseqDataset
    from fairseq.dataclass import ChoiceEnum, FairseqDataclass
    from fairseq.models import (
        ARCH_MODEL_REGISTRY,
        MODEL_DATACLASS_REGISTRY,
        BaseFairseqModel,
        register_model,
    )
else:
    if import_fairseq():
        from fairseq.data import FairseqDataset
        from fairseq.dataclass import ChoiceEnum, FairseqDataclass
        from fairseq.models import (
            ARCH_MODEL_REGISTRY,
            MODEL_DATACLASS_REGISTRY,
            BaseFairseqModel,
            register_model,
        )
    else:
        BaseFairseqModel = Module
        from torch.utils.data import Dataset as FairseqDataset

        ARCH_MODEL_REGISTRY: dict[str, type] = {}
        MODEL_DATACLASS_REGISTRY: dict[str, type] = {}

        def choice_of(words: list[str]) -> type[Enum]:
            """The type of a setting that is one of some words."""
            return Enum("Choice", {word: word for word in words})

        ChoiceEnum = choice_of

        @dataclass
        class FairseqDataclass:
            """The base of settings."""

            _name: Optional[str] = None

        def register_here(name: str, dataclass: type | None = None) -> Callable[[Model], Model]:
            """Makes a class of models known by a name."""

            def register(cls: Model) -> Model:
                ARCH_MODEL_REGISTRY.setdefault(name, cls)
                MODEL_DATACLASS_REGISTRY.setdefault(name, dataclass)
                return cls

            return register

        register_model = register_here


__all__ = [
    "BaseFairseqModel",
    "ChoiceEnum",
    "FairseqDataclass",
    "FairseqDataset",
    "architectures",
    "has_fairseq",
    "register_model",
    "settings_class",
]


def architectures() -> Mapping[str, Any]:
    """The classes of models by the names that ``--arch`` knows."""
    return ARCH_MODEL_REGISTRY


def settings_class(name: str) -> Any:
    """The dataclass of the settings of a model, by its name."""
    return MODEL_DATACLASS_REGISTRY[name]


def has_fairseq() -> bool:
    """Whether fairseq's own bases are in use."""
    return BaseFairseqModel is not Module
