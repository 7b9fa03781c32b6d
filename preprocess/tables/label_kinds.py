"""What kind of labels a file has, as far as its cells tell; what is decided is said aloud.

Numbers are scores and words are classes, unless ``--label-kind`` or ``--classes`` says otherwise.
``0.0`` is the class ``0``; ``Happy`` and ``happy`` are two classes, told apart with a warning;
several labels in one cell are refused.
"""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mia_fairseq.data.format.labels import (
    MELD_CLASSES,
    MOSEI_EMOTIONS,
    NO_LABEL,
    SEPARATOR,
    LabelSpec,
    is_number,
)
from mia_fairseq.errors import InputError
from preprocess.tables.table_text import is_error_value

logger = logging.getLogger(__name__)

KINDS = ("scores", "classes")
PLAIN = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?")  # 01 is a code, and stays as it is
TOGETHER = re.compile(r"[,;/|&+]")  # what people write between several labels
UNKNOWN = ("", "nan", "n/a", "null")  # what programs write where there is no label
FEW = 12  # whole numbers of so few values may be numbers of classes


def plain(word: str) -> str:
    """A number's shortest spelling, 0 for ``0.0`` and ``-0``; any other word as it is."""
    return f"{float(word) + 0.0:.9g}" if PLAIN.fullmatch(word) else word


def parts_of(word: str) -> list[str]:
    """The labels of a cell that holds several, however they are set apart."""
    parts = [part.strip() for part in TOGETHER.split(word)]
    return parts if len(parts) > 1 and all(parts) else []


def kind_of(
    words: Sequence[str], chosen: str | None, score_range: Sequence[float], where: str
) -> LabelSpec:
    """Scores or classes, and which.

    Args:
        words: the labels as they stand.
        chosen: one of `KINDS`, or None: numbers are scores, words are classes.
        score_range: of scores.
        where: the file and the label's name, for what is said.

    Raises:
        InputError: all labels are one class.
    """
    numbers = [word for word in words if is_number(word)]
    if chosen == "scores" or (chosen is None and (numbers or all(map(is_unknown, words)))):
        if chosen is None:
            _tell_scores(words, numbers, score_range, where)
        return LabelSpec("regression", score_range[0], score_range[1])
    names = classes_of(words)
    if len(names) < 2:
        several = next((word for word in words if parts_of(word)), "")
        name = (*names, *words, "")[0]
        alone = f"every label is {name!r}; name two or more classes with --classes"
        raise InputError(f"{where}: {several_told(several) if several else alone}")
    logger.info("%s: labels are classes: %s", where, ", ".join(names))
    _tell_cases(words, where)
    return LabelSpec("classes", names=names)


def classes_of(words: Sequence[str]) -> tuple[str, ...]:
    """The names of classes: MELD's order where all are MELD's, numbers by size, else alphabetical.

    No classes are labels that are missing, and cells of several labels: those with a ``+``, and
    those of which a part stands in another cell too.
    """
    found = {plain(word) for word in words if not is_unknown(word)}
    cells = Counter(part for word in found for part in set(parts_of(word) or [word]))
    found = {
        word
        for word in found
        if not (parts := parts_of(word))
        or (SEPARATOR not in word and all(cells[part] == 1 for part in parts))
    }
    if found and found <= set(MELD_CLASSES):
        return MELD_CLASSES
    if all(map(is_number, found)):
        return tuple(sorted(found, key=float))
    return tuple(sorted(found))


def is_unknown(word: str) -> bool:
    """Whether a cell is what programs write where there is no label."""
    return word.casefold() in UNKNOWN or is_error_value(word)


def spelt_alike(words: Sequence[str], names: Sequence[str] = ()) -> list[str]:
    """Labels that differ by case only, spelt as ``names`` have them, or else as most rows do."""
    spellings: dict[str, str] = {name.casefold(): name for name in names}
    for word, _ in Counter(words).most_common():
        spellings.setdefault(word.casefold(), word)
    return [spellings[word.casefold()] for word in words]


def as_named(word: str, names: Sequence[str]) -> str:
    """A label spelt as its class is: ``0.0`` as ``0``, ``1`` as ``1.0`` where that is the class."""
    if word in names:
        return word
    return next((name for name in names if plain(name) == plain(word)), word)


def why_no_class(word: str, names: Sequence[str]) -> str | None:
    """What to do with a label that is none of the classes, where that can be said."""
    if word in names:
        return None
    if is_unknown(word):
        return f"label {word!r} says that there is none; give one or leave the row out"
    return several_told(word) if parts_of(word) else None


def several_told(word: str) -> str:
    """The sentence for a cell of several labels."""
    return (
        f"label {word!r} holds several labels; give one a row, or say --multilabel with all names, "
        f"and write {SEPARATOR.join(parts_of(word))}"
    )


def further_kind(
    words: Sequence[str], chosen: str | None, score_range: Sequence[float], where: str
) -> LabelSpec:
    """As `kind_of`, of a further label: several labels too, where a cell has a ``+`` or is ``-``.

    They are CMU-MOSEI's six where they are among them, else in alphabetical order.
    """
    joined = any(SEPARATOR in word or word == NO_LABEL for word in words)
    if chosen is not None or any(map(is_number, words)) or not joined:
        return kind_of(words, chosen, score_range, where)
    parts = {part for word in words for part in word.split(SEPARATOR)} - {NO_LABEL}
    names = MOSEI_EMOTIONS if parts <= set(MOSEI_EMOTIONS) else tuple(sorted(parts))
    if len(names) < 2:
        raise InputError(f"{where} is the same in every row; leave it out")
    logger.info("%s: any of %s at once", where, ", ".join(names))
    return LabelSpec("multilabel", names=names)


def _tell_scores(
    words: Sequence[str], numbers: Sequence[str], score_range: Sequence[float], where: str
) -> None:
    low, high = score_range
    values = sorted({float(word) for word in numbers})
    if 0 < len(values) <= FEW and all(value.is_integer() for value in values):
        logger.warning(
            "%s: labels are whole numbers (%s), taken as scores between %g and %g; if they are "
            "classes, say --label-kind classes",
            *(where, ", ".join(f"{value:g}" for value in values), low, high),
        )
    elif values:
        logger.info(
            "%s: labels are scores between %g and %g, found %g to %g (--label-kind, --label-range)",
            *(where, low, high, values[0], values[-1]),
        )
    if len(numbers) < len(words):
        others = dict.fromkeys(word for word in words if not is_number(word))
        logger.warning(
            "%s: %d labels are numbers and %d are not, such as %r; taken as scores, if they are "
            "classes, say --label-kind classes",
            *(where, len(numbers), len(words) - len(numbers), next(iter(others))[:40]),
        )


def _tell_cases(words: Sequence[str], where: str) -> None:
    counts: Mapping[str, int] = Counter(words)
    alike: dict[str, list[str]] = {}
    for word in counts:
        alike.setdefault(word.casefold(), []).append(word)
    for spellings in alike.values():
        if len(spellings) > 1:
            told = ", ".join(f"{word!r} ({counts[word]} rows)" for word in sorted(spellings))
            logger.warning(
                "%s: %s differ by case only and are %d classes; say --ignore-case if they are one",
                *(where, told, len(spellings)),
            )
