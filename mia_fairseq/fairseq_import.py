"""The first import of fairseq, which must not change how a program logs."""

import logging
from importlib import import_module


def import_fairseq() -> bool:
    """Imports fairseq, and leaves logging as it was; whether fairseq is here.

    ``models/wav2vec/wav2vec2_classification.py`` of fairseq 0.12.3 sets the root logger to DEBUG in
    a program that has not set up logging, and h5py and others then log each step.
    """
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        import_module("fairseq")
    except ImportError:  # for a model that was exported: see mia_fairseq.fairseq_bases
        return False
    root.setLevel(level)
    root.handlers[:] = handlers
    return True
