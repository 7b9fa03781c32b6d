"""A setting that the training loop has read once is at hand the next time.

Symptom: on a CPU half a millisecond in each update of ``fairseq-train``, more than a small model
takes for its forward pass.
Cause: ``fairseq/trainer.py`` and ``fairseq_cli/train.py`` read ``self.cfg.common.fp16`` and some
fifty more in each update, and omegaconf looks each up anew, through a dozen functions.
Delete it when: fairseq reads its settings once, or omegaconf's attributes are plain ones.
Fails without it: ``tests/fairseq_patches/test_settings_reads.py``.
"""

from collections.abc import Callable
from typing import Any

from fairseq.trainer import Trainer
from omegaconf import DictConfig, OmegaConf


def apply() -> None:
    """Replaces ``Trainer.__init__``."""
    Trainer.__init__ = _remembering(Trainer.__init__)


def _remembering(original: Callable[..., None]) -> Callable[..., None]:
    def begin(self: Any, cfg: Any, *args: Any, **kwargs: Any) -> None:
        original(self, remember(cfg), *args, **kwargs)

    return begin


def remember(settings: Any) -> Any:
    """The same settings, which keep what is read of them until it is set anew."""
    if type(settings) is DictConfig:
        object.__setattr__(settings, "__class__", RememberedConfig)
    return settings


class RememberedConfig(DictConfig):
    """A `DictConfig` in whose own attributes stands what was read; a copy of it has none."""

    def __getattr__(self, key: str) -> Any:
        value = remember(super().__getattr__(key))
        if not key.startswith("_") and not OmegaConf.is_interpolation(self, key):
            self.__dict__[key] = value
        return value

    def _set_item_impl(self, key: Any, value: Any) -> None:  # all ways to set an entry
        self.__dict__.pop(key, None)
        super()._set_item_impl(key, value)

    def __delitem__(self, key: Any) -> None:
        self.__dict__.pop(key, None)
        super().__delitem__(key)

    def __delattr__(self, key: str) -> None:
        self.__dict__.pop(key, None)
        super().__delattr__(key)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name.startswith("_")}
