"""Labels and splits as the import commands take them from a file: options, parsing, carving."""

import argparse
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from mia_fairseq.data.format.labels import (
    MELD_CLASSES,
    MOSEI_EMOTIONS,
    MOST_LABELS,
    NO_LABEL,
    SENTIMENT_RANGE,
    SEPARATOR,
    SEVEN_SCORES,
    LabelSpec,
    can_be_joined,
    one_line,
)
from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)

ALL = "all"  # the split of rows that folds divide

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "dev", "validation"), "valid"),
    "test": "test",
}


def add_label_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what the labels are."""
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--label-range",
        nargs=2,
        type=float,
        metavar=("MIN", "MAX"),
        default=SENTIMENT_RANGE,
        help="range of scores (default: -3 3)",
    )
    group.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="labels are classes, in this order (default for labels that are words: MELD's order "
        "where they are MELD's seven, alphabetical otherwise)",
    )
    group.add_argument(
        "--multilabel",
        nargs="+",
        metavar="NAME",
        help="rows have any of these labels at once: cells such as happy+sad, or - for none; or an "
        "array (rows, labels), more than 0 where a row has it",
    )
    group.add_argument(
        "--round-labels",
        action="store_true",
        help="make seven classes of scores in [-3, 3] by rounding half to even",
    )


def read_labels(
    raw: Sequence[object], ids: Sequence[str], args: argparse.Namespace, where: str
) -> tuple[LabelSpec, list[float]]:
    """Parses a file's labels.

    Args:
        raw: one label a row: numbers, or words; whitespace in them becomes single spaces; or with
            --multilabel a list of numbers.
        ids: the rows' names, for errors.
        args: the options of `add_label_options`.
        where: the file and its label field, for errors.

    Returns:
        The kind of label, and each row's score or class index.

    Raises:
        InputError: a label out of range or of no known class, the row is named; or classes that
            are not different.
    """
    if args.multilabel:
        return _several(raw, ids, args, where)
    words = [_word(value) for value in raw]
    spec = _label_spec(words, args)
    if args.round_labels:
        scores = LabelSpec("regression")
        parsed = [
            scores.parse(word, f"{where}, row {row_id!r}")
            for row_id, word in zip(ids, words, strict=True)
        ]
        return spec, [float(np.round(score)) + 3 for score in parsed]
    return spec, [
        spec.parse(word, f"{where}, row {row_id!r}")
        for row_id, word in zip(ids, words, strict=True)
    ]


def read_further_labels(
    raw: Sequence[Mapping[str, object]],
    ids: Sequence[str],
    score_range: Sequence[float],
    where: str,
) -> tuple[dict[str, LabelSpec], list[dict[str, float]]]:
    """Parses further labels, whose kind is seen from their cells.

    Numbers are scores within the range; words are classes, but several labels where a cell has a
    ``+`` or is ``-``: CMU-MOSEI's six where they are among them, else in alphabetical order.

    Args:
        raw: of each row the labels that are known, by name.
        ids, where: for errors, as in `read_labels`.
        score_range: of scores.
    """
    specs: dict[str, LabelSpec] = {}
    for name in dict.fromkeys(name for row in raw for name in row):
        words = [_word(row[name]) for row in raw if name in row]
        parts = {part for word in words for part in word.split(SEPARATOR)} - {NO_LABEL}
        if any(_is_number(word) for word in words):
            specs[name] = LabelSpec("regression", score_range[0], score_range[1])
        elif any(SEPARATOR in word or word == NO_LABEL for word in words):
            among = parts <= set(MOSEI_EMOTIONS)
            names = MOSEI_EMOTIONS if among else tuple(sorted(parts))
            specs[name] = LabelSpec("multilabel", names=names)
        else:
            specs[name] = LabelSpec("classes", names=tuple(sorted(parts)))
        if specs[name].names and len(specs[name].names) < 2:
            raise InputError(f"{where}: further label {name!r} is the same in every row")
    values = [
        {
            name: specs[name].parse(_word(cell), f"{where}, row {i!r}, {name}")
            for name, cell in row.items()
        }
        for i, row in zip(ids, raw, strict=True)
    ]
    return specs, values


def _word(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else one_line(value)


def _several(
    raw: Sequence[object], ids: Sequence[str], args: argparse.Namespace, where: str
) -> tuple[LabelSpec, list[float]]:
    """`read_labels` with --multilabel."""
    names = tuple(one_line(name) for name in args.multilabel)
    if not all(names) or not len(set(names)) == len(names) > 1 or not can_be_joined(names):
        raise InputError(
            f"--multilabel {', '.join(names)}: expected two to {MOST_LABELS} different names, none "
            f"empty, none with {SEPARATOR!r}, none {NO_LABEL!r}"
        )
    if args.classes or args.round_labels:
        raise InputError("--multilabel goes without --classes and --round-labels; leave them out")
    spec, values = LabelSpec("multilabel", names=names), []
    for row_id, value in zip(ids, raw, strict=True):
        if isinstance(value, list):
            if len(value) != len(names) or not np.isfinite(value).all():
                raise InputError(
                    f"{where}, row {row_id!r}: has labels {value}, expected {len(names)} numbers, "
                    f"of {', '.join(names)}"
                )
            value = spec.format(sum(1 << i for i, number in enumerate(value) if number > 0))
        values.append(spec.parse(one_line(value), f"{where}, row {row_id!r}"))
    return spec, values


def _label_spec(words: Sequence[str], args: argparse.Namespace) -> LabelSpec:
    if args.round_labels:
        return LabelSpec("classes", names=SEVEN_SCORES)
    if args.classes:
        given = tuple(one_line(name) for name in args.classes)
        if not all(given) or not len(set(given)) == len(given) > 1:
            raise InputError(
                f"--classes {', '.join(given)}: expected two or more different names, none empty"
            )
        return LabelSpec("classes", names=given)
    if any(_is_number(word) for word in words) or not words:
        return LabelSpec("regression", *args.label_range)
    found = set(words) - {""}  # an empty label is told with its row
    names = MELD_CLASSES if found <= set(MELD_CLASSES) else tuple(sorted(found))
    if len(names) < 2:
        raise InputError(f"every label is {names[0]!r}; name two or more classes with --classes")
    return LabelSpec("classes", names=names)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def split_name(raw: object) -> str:
    """The name of a split as ``DATA/`` has it: Train becomes train, and val, dev and validation
    valid; what is none of these stays as it is."""
    word = str(raw).strip()
    return SPLIT_NAMES.get(word.lower(), word)


def carve_validation(
    splits: Sequence[str], groups: Sequence[str], fraction: float, seed: int, where: str
) -> list[str]:
    """Moves whole groups of training rows to ``valid`` until they hold the fraction of them.

    Args:
        splits: one name a row, with no ``valid`` among them.
        groups: one name a row: the video or dialogue, or a name of its own.
        fraction: share of the training rows, between 0 and 1.
        seed: of the order in which groups are drawn.
        where: the file, for errors.

    Returns:
        The new names. The same arguments give the same split on every machine.

    Raises:
        InputError: there are validation rows already, or too few groups to leave some of both.
    """
    if "valid" in splits:
        raise InputError(
            f"{where}: has {splits.count('valid')} validation rows already; "
            "leave out --valid-fraction"
        )
    if not 0 < fraction < 1:
        raise InputError(f"--valid-fraction is {fraction:g}, expected a share between 0 and 1")
    training = [group for group, split in zip(groups, splits, strict=True) if split == "train"]
    names = sorted(set(training))
    drawn: set[str] = set()
    taken = 0
    for place in np.random.default_rng(seed).permutation(len(names)):
        if taken >= fraction * len(training):
            break
        drawn.add(names[place])
        taken += training.count(names[place])
    if not 0 < taken < len(training):
        raise InputError(
            f"{where}: {len(names)} groups of training rows cannot give {fraction:.0%} to "
            "validation and keep the rest; name another --group or --valid-fraction"
        )
    logger.info(
        "carved %d of %d training rows (%d of %d groups) out for validation",
        taken,
        len(training),
        len(drawn),
        len(names),
    )
    return [
        "valid" if split == "train" and group in drawn else split
        for group, split in zip(groups, splits, strict=True)
    ]


def add_carving_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `carve_validation`."""
    group = parser.add_argument_group("validation rows, where the file has none")
    group.add_argument(
        "--valid-fraction", type=float, help="share of the training rows, taken by whole groups"
    )
    group.add_argument("--valid-seed", type=int, default=1, help="of the draw (default: 1)")
