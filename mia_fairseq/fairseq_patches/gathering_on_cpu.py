"""What cannot be summed is gathered from all processes where there is no CUDA, too.

Symptom: two processes over gloo end with ``Torch not compiled with CUDA enabled`` (or "no NVIDIA
driver") at the first validation.
Cause: ``fairseq/distributed/utils.py``, ``all_gather_list``: its buffer is a
``torch.cuda.ByteTensor``.
Delete it when: fairseq's buffer is on the device of its group.
Fails without it: ``tests/tasks/test_resume.py::test_two_processes_train_resume_and_evaluate``.
"""

from collections.abc import Callable
from typing import Any

import torch
from fairseq.distributed import utils as distributed_utils


def apply() -> None:
    """Replaces ``fairseq.distributed.utils.all_gather_list``."""
    distributed_utils.all_gather_list = _on_any_device(distributed_utils.all_gather_list)


def _on_any_device(original: Callable[..., Any]) -> Callable[..., Any]:
    def all_gather_list(data: Any, group: Any = None, max_size: int = 16384) -> list[Any]:
        if torch.cuda.is_available():
            gathered: list[Any] = original(data, group=group, max_size=max_size)
            return gathered
        gathered = [None] * distributed_utils.get_world_size(group)
        torch.distributed.all_gather_object(gathered, data, group=group)
        return gathered

    return all_gather_list
