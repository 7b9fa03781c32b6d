"""A checkpoint names its model, and only models of this plugin or the user's own are built.

Symptom: a checkpoint of a stranger runs code: one that names wav2vec2 has Python in its setting
``conv_feature_layers``.
Cause: ``fairseq/checkpoint_utils.py``, ``load_model_ensemble_and_task``, builds whatever task and
model the file names; ``fairseq/models/wav2vec/wav2vec2.py`` and others ``eval`` settings.
Delete it when: fairseq evaluates no setting of a checkpoint.
Fails without it: ``tests/checkpoints/test_attacks.py``.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fairseq import checkpoint_utils

from mia_fairseq.checkpoints.checkpoint_model import Opened, open_checkpoint
from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.fairseq_checkpoints import reading_release


def apply() -> None:
    """Replaces ``checkpoint_utils.load_model_ensemble_and_task``."""
    checkpoint_utils.load_model_ensemble_and_task = _of_known_models(
        checkpoint_utils.load_model_ensemble_and_task
    )


def _of_known_models(original: Callable[..., Opened]) -> Callable[..., Opened]:
    def load_model_ensemble_and_task(
        filenames: Sequence[str],
        arg_overrides: Any = None,
        task: Any = None,
        strict: bool = True,
        suffix: str = "",
        num_shards: int = 1,
        state: Any = None,
    ) -> Opened:
        if reading_release.get():
            return original(filenames, arg_overrides, task, strict, suffix, num_shards, state)
        if num_shards != 1 or state is not None:
            raise InputError("checkpoints of this task are one file each; give that file alone")
        models: list[Any] = []
        cfg: Any = None
        for name in filenames:
            path = checkpoint_utils.get_maybe_sharded_checkpoint_filename(name, suffix, 0, 1)
            found, cfg, task = open_checkpoint(path, original, arg_overrides, task=task)
            models += found
        return models, cfg, task

    return load_model_ensemble_and_task
