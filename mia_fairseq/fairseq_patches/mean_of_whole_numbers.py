"""``--store-ema`` copies whole numbers instead of averaging them.

Symptom: ``fairseq-train --store-ema`` ends with ``result type Float can't be cast to the desired
output type Long`` for a model that counts something, such as a batch norm its batches.
Cause: ``fairseq/models/ema/ema.py``, ``_step_internal``: ``ema_param.mul_(decay)`` of every buffer.
Delete it when: fairseq's mean leaves out what is no floating-point number.
Fails without it: ``tests/tasks/test_options_of_fairseq.py::test_a_mean_of_weights_is_kept``.
"""

from collections.abc import Callable
from typing import Any

from fairseq.models.ema.ema import EMA

from mia_fairseq.checkpoints.checkpoint_file import read_state


def apply() -> None:
    """Replaces ``EMA.__init__``."""
    EMA.__init__ = _leaving_out(EMA.__init__)


def _leaving_out(original: Callable[..., None]) -> Callable[..., None]:
    def begin(self: Any, model: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        if config.ema_seed_model is not None:
            read_state(config.ema_seed_model)  # fairseq's own reading does not name the file
        original(self, model, config, *args, **kwargs)
        counts = {n for n, value in model.state_dict().items() if not value.is_floating_point()}
        self.skip_keys = {*self.skip_keys, *counts}  # these are copied

    return begin
