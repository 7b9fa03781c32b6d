"""The ready models: their names, their folders, and the terms that come with them.

A model's folder holds what `mia_fairseq.export` writes (``model.safetensors`` in 16 bits,
``config.json``), its card ``README.md``, the figures of the card ``results.json``, and the recipe
that trained it, ``NAME.yaml``.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.export.folder_names import WEIGHTS
from mia_fairseq.files import write_whole
from mia_fairseq.pretrained.model_store import cache_folder

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
SUBJECTS = ("sentiment", "emotion")  # what predict answers where no model is named
SMALL = "-small"
TERMS = (
    "the ready models learnt from corpora that may be used for research, not for commerce; their "
    "cards say more ({cards}). This is told once."
)


def ready_models() -> list[str]:
    """The names of all ready models, in alphabetical order."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{WEIGHTS}"))


def default_models() -> list[str]:
    """What predict answers where no model is named: of `SUBJECTS` those that are in the box."""
    there = {subject(name) for name in ready_models()}
    return [name for name in SUBJECTS if name in there] or ready_models()


def ready_folder(name: str) -> Path:
    """The folder of a ready model.

    Args:
        name: one of `ready_models`; where only ``NAME-small`` is in the box, NAME means that one.

    Raises:
        InputError: there is no such model.
    """
    known = ready_models()
    for candidate in (name, name + SMALL):
        if candidate in known:
            return FOLDER / candidate
    raise InputError(
        f"no ready model is called {name!r}; there are {', '.join(known)}, or name a checkpoint "
        "or a folder of mia_fairseq.export"
    )


def subject(name: str) -> str:
    """What a model tells: its name without its size."""
    return name.removesuffix(SMALL)


def tell_terms(folders: Sequence[Path]) -> None:
    """Says under which terms the models stand, the first time that this user uses one.

    Args:
        folders: of the models that are used.
    """
    told = cache_folder() / "ready_models_terms_told"
    if told.is_file() or not folders:
        return
    logger.warning(TERMS.format(cards=", ".join(f"{folder / 'README.md'}" for folder in folders)))
    try:
        write_whole(told, "yes\n")
    except OSError as error:
        logger.debug("%s cannot be written (%s)", told, error)


def is_ready(path: Path) -> bool:
    """Whether a model's path is that of a ready model."""
    return path.parent == FOLDER
