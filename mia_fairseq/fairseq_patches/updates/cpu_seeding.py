"""fairseq seeds the generators of GPUs at each update, also where there is none.

Symptom: on a CPU time in each update: torch puts such a call off, with a stack trace, for a GPU
that might still come. Versions of torch that keep each such call also lose memory to it.
Cause: ``fairseq/utils.py``, ``set_torch_seed``, called by ``Trainer._set_seed``:
``torch.manual_seed`` seeds all kinds of devices.
Delete it when: torch drops calls for devices that are not there.
Fails without it: ``tests/fairseq_patches/test_cpu_seeding.py``.
"""

import torch
from fairseq import utils


def apply() -> None:
    """Replaces ``fairseq.utils.set_torch_seed`` where torch has no accelerator."""
    if not torch.accelerator.is_available() and utils.xm is None:
        utils.set_torch_seed = _SeedOfCPU


class _SeedOfCPU(utils.set_torch_seed):
    """Seeds the CPU's generator, as fairseq does; as a context it restores what was there."""

    def __init__(self, seed: int) -> None:
        self.rng_state = utils.get_rng_state()
        torch.default_generator.manual_seed(seed)
