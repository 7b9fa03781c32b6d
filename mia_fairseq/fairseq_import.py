"""The first import of fairseq, which must not change how a program logs, and how to do without."""

import logging
import sys
from argparse import Namespace
from importlib import import_module

from mia_fairseq.errors import InputError

_wanted = {"fairseq": True}


def do_without_fairseq() -> None:
    """Spares a command that only runs a trained model the seconds that importing fairseq takes.

    To be called before anything of `mia_fairseq` that needs torch is imported. An encoder or an
    extractor that is fairseq's own is had all the same, by `load_fairseq`. Where fairseq is
    imported already, nothing changes.
    """
    _wanted["fairseq"] = "fairseq" in sys.modules


def import_fairseq() -> bool:
    """Imports fairseq where it is here and wanted; whether it was."""
    if not _wanted["fairseq"]:
        return False
    try:
        load_fairseq()
    except ImportError:  # for a model that was exported: see mia_fairseq.fairseq_bases
        return False
    return True


def load_fairseq() -> None:
    """Imports fairseq, and leaves logging as it was.

    ``models/wav2vec/wav2vec2_classification.py`` of fairseq 0.12.3 sets the root logger to DEBUG in
    a program that has not set up logging, and h5py and others then log each step.

    Raises:
        ImportError: fairseq is not installed.
    """
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    import_module("fairseq")
    root.setLevel(level)
    root.handlers[:] = handlers


def import_user_dir(folder: str) -> None:
    """Imports a folder of somebody's own components as fairseq's commands do.

    Raises:
        InputError: there is no such folder.
    """
    load_fairseq()
    try:
        import_module("fairseq.utils").import_user_module(Namespace(user_dir=folder))
    except FileNotFoundError as error:
        raise InputError(
            f"--user-dir {folder}: there is no such folder; give its path from here"
        ) from error
