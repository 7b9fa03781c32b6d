"""The ready models: their names, their folders, and the terms that come with them.

A model's folder holds what `mia_fairseq.export` writes (``model.safetensors`` in 16 bits,
``config.json``), its card ``README.md``, the figures of the card ``results.json``, and the recipe
that trained it, ``NAME.yaml``. The card opens with what a program may want to know of it, as model
cards do: ``language: en``.
"""

import functools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.export.folder_names import CARD, WEIGHTS
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

UNREAD = (
    "the words are in %r, and the ready models read %r only, so their answers mean little; give "
    "the words in that language (--text or --table), or train a model on yours (docs/clips.md, "
    '"Other languages")'
)


def ready_models() -> list[str]:
    """The names of all ready models, in alphabetical order."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{WEIGHTS}"))


def default_models() -> list[str]:
    """What predict answers where no model is named: of `SUBJECTS` those that are in the box.

    Of two sizes the small one, which is fetched in seconds and answers fastest.
    """
    known = ready_models()
    chosen = [name + SMALL if name + SMALL in known else name for name in SUBJECTS]
    return [name for name in chosen if name in known] or known


def named_models(given: Sequence[str]) -> list[str]:
    """The names that ``--model`` gives: once or again, several by commas."""
    return [name for one in given for name in one.split(",") if name]


def asked_models(names: Sequence[str]) -> dict[str, Path]:
    """The folders of ready models, by what answers call them.

    Args:
        names: of models; none: `default_models`.

    Returns:
        A model by its subject, or by its whole name where another tells the same; by ``""`` where
        it is the only one.

    Raises:
        InputError: there is no such model.
    """
    folders = list(dict.fromkeys(ready_folder(name) for name in names or default_models()))
    if len(folders) == 1:
        return {"": folders[0]}
    told = [subject(folder.name) for folder in folders]
    alone = [told.count(name) == 1 for name in told]
    return {
        name if only else folder.name: folder
        for name, only, folder in zip(told, alone, folders, strict=True)
    }


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


def reads(folder: Path) -> tuple[str, ...]:
    """The codes of the languages that a ready model learnt from, as its card's head has them."""
    _, head, _ = (folder / CARD).read_text(encoding="utf-8").split("---\n", 2)
    told = dict(line.split(": ", 1) for line in head.splitlines())
    return tuple(told["language"].split(", "))


def tell_language(model: Path, languages: Iterable[str]) -> None:
    """Says once a language that a ready model does not read it.

    Args:
        model: its path; a model of the user's own reads what its owner knows.
        languages: codes of what clips say; '' where that is not known.
    """
    if not is_ready(model):
        return
    for language in sorted({*languages} - {"", *reads(model)}):
        _tell_unread(language, ", ".join(reads(model)))


@functools.lru_cache
def _tell_unread(language: str, known: str) -> None:
    logger.warning(UNREAD, language, known)


def is_ready(path: Path) -> bool:
    """Whether a model's path is that of a ready model."""
    return path.parent == FOLDER
