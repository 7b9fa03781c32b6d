"""``--bf16`` on fairseq's command line means bfloat16, not a TPU, where there is no TPU.

Symptom: ``fairseq-train --bf16`` on a CPU or GPU ends with ``No module named 'torch_xla'``.
Cause: ``fairseq/options.py``, ``parse_args_and_arch``: ``if args.bf16: args.tpu = True``.
Delete it when: fairseq asks for a TPU by ``--tpu`` alone.
Fails without it: ``tests/fairseq_patches/test_bf16_without_tpu.py``.

Every command line turns its arguments into a configuration next, by
``convert_namespace_to_omegaconf``, whose first line calls the function that is replaced here.
"""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from fairseq import utils
from fairseq.dataclass import utils as dataclass_utils


def apply() -> None:
    """Replaces ``fairseq.dataclass.utils.override_module_args``."""
    dataclass_utils.override_module_args = _without_tpu(dataclass_utils.override_module_args)


def _without_tpu(original: Callable[..., Any]) -> Callable[..., Any]:
    def override_module_args(args: Namespace) -> Any:
        if getattr(args, "bf16", False) and utils.xm is None:
            args.tpu = False
        return original(args)

    return override_module_args
