"""The warnings that fairseq's old calls to Hydra and torch draw at every start are silent.

Symptom: each start of a command prints a dozen lines of ``UserWarning`` and ``FutureWarning``
that a user can do nothing about, and Hydra's steps as ``DEBUG`` lines.
Cause: ``fairseq/dataclass/utils.py``, ``convert_namespace_to_omegaconf`` (Hydra's ``initialize``
without a version, ``strict=``), ``fairseq/data/iterators.py`` (``pin_memory`` without a GPU),
``fairseq/tasks/fairseq_task.py`` (``torch.cuda.amp.autocast``),
``fairseq/models/wav2vec/wav2vec2_classification.py`` (``basicConfig`` at ``DEBUG``).
Delete it when: fairseq calls what Hydra 1.3 and torch 2 have.
Fails without it: ``tests/structure/test_installed.py::test_training_starts_without_a_warning``.
"""

import logging
import warnings


def apply() -> None:
    """Adds filters for these warnings, and lets Hydra log from INFO on."""
    warnings.filterwarnings("ignore", module="hydra")
    warnings.filterwarnings("ignore", message=r"\s*'config' is validated against ConfigStore")
    warnings.filterwarnings("ignore", message="'pin_memory' argument is set as true")
    warnings.filterwarnings("ignore", message="`torch.cuda.amp.autocast")
    logging.getLogger("hydra").setLevel(logging.INFO)
