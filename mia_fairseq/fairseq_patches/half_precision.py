"""``--fp16`` where there is no GPU is refused in a sentence.

Symptom: ``fairseq-train --cpu --fp16`` ends with ``Torch not compiled with CUDA enabled``.
Cause: ``fairseq/optim/fp16_optimizer.py`` makes its 32-bit weights and its scaler on a GPU.
Delete it when: fairseq trains in float16 on a CPU.
Fails without it: ``tests/tasks/test_options_of_fairseq.py::test_what_cannot_work_says_why``.
"""

from collections.abc import Callable
from typing import Any

import torch
from fairseq import options

from mia_fairseq.errors import InputError


def apply() -> None:
    """Replaces ``fairseq.options.parse_args_and_arch``."""
    options.parse_args_and_arch = _without_halves_on_cpu(options.parse_args_and_arch)


def _without_halves_on_cpu(original: Callable[..., Any]) -> Callable[..., Any]:
    def parse_args_and_arch(*given: Any, **settings: Any) -> Any:
        parsed = original(*given, **settings)
        args = parsed[0] if isinstance(parsed, tuple) else parsed
        on_cpu = getattr(args, "cpu", False) or not torch.cuda.is_available()
        if getattr(args, "fp16", False) and on_cpu:
            raise InputError(
                "--fp16 needs a GPU, and this runs on the CPU; use --bf16, or neither of them"
            )
        return parsed

    return parse_args_and_arch
