"""A checkpoint that cannot be used is named, and so is the reason.

Symptom: a missing, truncated or foreign file ends in a traceback that does not name it; weights
that do not fit end in "please check that the architectures match", whatever the reason was.
Cause: ``fairseq/checkpoint_utils.py``, ``load_checkpoint_to_cpu``: ``torch.load(f, ...)`` without
the path; ``fairseq/trainer.py``, ``load_checkpoint``: ``except Exception: raise Exception(...)``.
Delete it when: fairseq names the file, and raises ``from`` the reason.
Fails without it: ``tests/fairseq_patches/test_checkpoint_errors.py``.
"""

import pickle
from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils

from mia_fairseq.errors import InputError, refused_pickle


def apply() -> None:
    """Replaces ``load_checkpoint_to_cpu`` and ``load_checkpoint`` of ``checkpoint_utils``."""
    checkpoint_utils.load_checkpoint_to_cpu = _named(checkpoint_utils.load_checkpoint_to_cpu)
    checkpoint_utils.load_checkpoint = _with_reason(checkpoint_utils.load_checkpoint)


def _named(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_checkpoint_to_cpu(path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(path, *args, **kwargs)
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such checkpoint; train one with fairseq-train") from error
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise refused_pickle(path, error) from error
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: is no checkpoint of fairseq-train ({type(error).__name__}: {error}); "
                "give one that it wrote"
            ) from error

    return load_checkpoint_to_cpu


def _with_reason(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_checkpoint(cfg: Any, trainer: Any, **passthrough: Any) -> Any:
        try:
            return original(cfg, trainer, **passthrough)
        except Exception as error:
            if isinstance(error.__context__, InputError):
                raise error.__context__ from None
            raise

    return load_checkpoint
