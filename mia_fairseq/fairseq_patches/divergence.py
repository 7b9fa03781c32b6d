"""Training that diverges ends in one sentence.

Symptom: gradients of NaN or Inf end in ``StopIteration`` or in pages of norms and a traceback.
Cause: ``fairseq/trainer.py``, ``train_step``: ``except FloatingPointError`` runs the batch again
inside ``fairseq/nan_detector.py``, whose hooks dump all norms and fail on what is no tensor.
Delete it when: fairseq ends with its own ``FloatingPointError`` alone.
Fails without it: ``tests/tasks/test_options_of_fairseq.py::test_divergence_is_one_sentence``.
"""

import sys
from typing import Any, NoReturn

from fairseq import trainer

from mia_fairseq.errors import InputError, shortened


def apply() -> None:
    """Replaces the name ``NanDetector`` in ``fairseq.trainer``."""
    trainer.NanDetector = _told


def _told(model: Any) -> NoReturn:
    """Called where fairseq would look for the first NaN, ``crash.pt`` being saved."""
    reason = shortened(sys.exc_info()[1] or "gradients are NaN or Inf").rstrip(".")
    raise InputError(
        f"training diverged ({reason}); train again with a lower --lr, or with --clip-norm 1; the "
        "checkpoints before are whole, and crash.pt beside them holds the weights as they are now"
    ) from None
