"""A checkpoint of 16-bit training holds the 32-bit weights that are trained, too.

Symptom: with ``--fp16`` or ``--bf16`` a run that is killed and started again ends with other
weights than one that was not.
Cause: ``fairseq/optim/fp16_optimizer.py``, ``_FP16OptimizerMixin.state_dict``: it leaves out
``self.fp32_params``; ``fairseq/trainer.py`` keeps the model's 16-bit weights only.
Delete it when: fairseq's state of the optimizer holds ``fp32_params``.
Fails without it: ``tests/tasks/test_resume.py::test_in_16_bits_a_restart_ends_the_same``.
"""

from collections.abc import Callable
from typing import Any

import torch
from fairseq.optim.fp16_optimizer import _FP16OptimizerMixin

STATE_KEY = "fp32_params"


def apply() -> None:
    """Replaces the state's reading and writing of fairseq's 16-bit optimizers."""
    _FP16OptimizerMixin.state_dict = _with_weights(_FP16OptimizerMixin.state_dict)
    _FP16OptimizerMixin.load_state_dict = _and_weights(_FP16OptimizerMixin.load_state_dict)


def _with_weights(original: Callable[..., Any]) -> Callable[..., Any]:
    def state_dict(self: Any) -> Any:
        return {**original(self), STATE_KEY: [full.data for full in _weights(self)]}

    return state_dict


def _and_weights(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_state_dict(self: Any, state_dict: Any, optimizer_overrides: Any = None) -> None:
        state = dict(state_dict)
        written = state.pop(STATE_KEY, None)  # a checkpoint of fairseq alone has none
        original(self, state, optimizer_overrides)
        if written is not None:
            for full, saved in zip(_weights(self), written, strict=True):
                full.data.copy_(saved)

    return load_state_dict


def _weights(optimizer: Any) -> list[torch.Tensor]:
    """Flat and one a device, or as the model has them; see fairseq's ``build_fp32_params``."""
    kept = optimizer.fp32_params
    if isinstance(kept, dict):
        return list(kept.values())
    return [kept] if torch.is_tensor(kept) else list(kept)
