"""Labels and splits as the import commands take them from a file, by label_options.py."""

import argparse
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mia_fairseq.data.format.labels import (
    MOST_LABELS,
    NO_LABEL,
    SEPARATOR,
    SEVEN_SCORES,
    LabelSpec,
    can_be_joined,
    one_line,
)
from mia_fairseq.errors import InputError
from preprocess.tables.label_kinds import (
    as_named,
    further_kind,
    kind_of,
    parts_of,
    spelt_alike,
    why_no_class,
)
from preprocess.tables.label_options import add_label_options as add_label_options
from preprocess.tables.label_options import chosen_kind

logger = logging.getLogger(__name__)

ALL = "all"  # the split of rows that folds divide

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "dev", "validation"), "valid"),
    "test": "test",
}


@dataclass
class Labels:
    """The labels of a file.

    Attributes:
        spec: their kind.
        values: each row's score or class index; NaN of a row that is left out.
        left_out: {row's place: why}.
    """

    spec: LabelSpec
    values: list[float] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)


def read_labels(
    raw: Sequence[object], ids: Sequence[str], args: argparse.Namespace, where: str
) -> Labels:
    """Parses a file's labels.

    Args:
        raw: one label a row: numbers, or words; whitespace in them becomes single spaces; or with
            --multilabel a list of numbers.
        ids: the rows' names, for errors.
        args: the options of `add_label_options`.
        where: the file and its label field, for errors.

    Raises:
        InputError: a label is missing, out of range or of no known class, the row is named, unless
            such rows are left out; or classes are not different, or no row is left.
    """
    if args.multilabel:
        spec = _several_kind(args)
        labels = _parsed(raw, ids, args, where, spec, _several)
    else:
        words = [_word(value) for value in raw]
        if args.ignore_case:
            words = spelt_alike(words, args.classes or ())
        spec = _label_spec(words, args, where)
        asked = LabelSpec("regression") if args.round_labels else spec
        labels = _parsed(words, ids, args, where, asked, _one)
        if args.round_labels:
            values = [float(np.round(score)) + 3 for score in labels.values]
            labels = Labels(spec, values, labels.left_out)
    if labels.left_out:
        logger.warning("%s: %d rows are left out by their labels", where, len(labels.left_out))
    if len(labels.left_out) == len(ids) > 0:
        raise InputError(f"{where}: no row has a label that can be used; {labels.left_out[0]}")
    return labels


def read_further_labels(
    raw: Sequence[Mapping[str, object]],
    ids: Sequence[str],
    args: argparse.Namespace,
    where: str,
) -> tuple[dict[str, LabelSpec], list[dict[str, float]]]:
    """Parses further labels, whose kind is seen from their cells (`label_kinds.further_kind`).

    Args:
        raw: of each row the labels that are known, by name.
        ids: as in `read_labels`.
        args: as in `read_labels`. Where bad labels are left out, such a further one is taken as not
            known, listed and counted.
        where: as in `read_labels`.
    """
    specs: dict[str, LabelSpec] = {}
    values: list[dict[str, float]] = [{} for _ in ids]
    for name in dict.fromkeys(name for row in raw for name in row):
        places = [place for place, row in enumerate(raw) if name in row]
        words = [_word(raw[place][name]) for place in places]
        if args.ignore_case:
            words = spelt_alike(words)
        at = f"{where}, further label {name!r}"
        spec = specs[name] = further_kind(words, chosen_kind(args, name), args.label_range, at)
        named = [ids[place] for place in places]
        labels = _parsed(words, named, args, at, spec, _one)
        for number, place in enumerate(places):
            if number not in labels.left_out:
                values[place][name] = labels.values[number]
        if labels.left_out:
            logger.warning("%s: %d labels are taken as not known", at, len(labels.left_out))
    return specs, values


def _parsed(
    raw: Sequence[object],
    ids: Sequence[str],
    args: argparse.Namespace,
    where: str,
    spec: LabelSpec,
    parse: Callable[[Any, LabelSpec, str], float],
) -> Labels:
    """Each label by ``parse(label, spec, where)``; bad ones told, and left out where asked."""
    labels = Labels(spec)
    for place, (row_id, one) in enumerate(zip(ids, raw, strict=True)):
        try:
            labels.values.append(parse(one, spec, f"{where}, row {row_id!r}"))
        except InputError as error:
            if not args.leave_out_bad_labels:
                raise
            logger.warning("left out: %s", error)
            labels.left_out[place] = str(error)
            labels.values.append(math.nan)
    return labels


def _word(value: object) -> str:
    return f"{value + 0.0:.9g}" if isinstance(value, float) else one_line(value)  # −0 is 0


def _one(word: str, spec: LabelSpec, where: str) -> float:
    """One label as a number."""
    if spec.kind == "classes":
        word = as_named(word, spec.names)
        wrong = why_no_class(word, spec.names)
        if wrong:
            raise InputError(f"{where}: {wrong}")
    return spec.parse(word, where)


def _several(value: object, spec: LabelSpec, where: str) -> float:
    """The labels of one row with --multilabel."""
    names = spec.names
    if isinstance(value, list):
        if len(value) != len(names) or not np.isfinite(value).all():
            raise InputError(
                f"{where}: has labels {value}, expected {len(names)} numbers, of {', '.join(names)}"
            )
        return float(sum(1 << place for place, number in enumerate(value) if number > 0))
    word = one_line(value)
    return spec.parse(word if word in names else SEPARATOR.join(parts_of(word)) or word, where)


def _several_kind(args: argparse.Namespace) -> LabelSpec:
    names = tuple(one_line(name) for name in args.multilabel)
    if not all(names) or not len(set(names)) == len(names) > 1 or not can_be_joined(names):
        raise InputError(
            f"--multilabel {', '.join(names)}: expected two to {MOST_LABELS} different names, none "
            f"empty, none with {SEPARATOR!r}, none {NO_LABEL!r}"
        )
    if args.classes or args.round_labels or chosen_kind(args):
        raise InputError(
            "--multilabel goes without --classes, --round-labels and --label-kind; leave them out"
        )
    return LabelSpec("multilabel", names=names)


def _label_spec(words: Sequence[str], args: argparse.Namespace, where: str) -> LabelSpec:
    if args.round_labels:
        return LabelSpec("classes", names=SEVEN_SCORES)
    if args.classes:
        given = tuple(one_line(name) for name in args.classes)
        if not all(given) or not len(set(given)) == len(given) > 1:
            raise InputError(
                f"--classes {', '.join(given)}: expected two or more different names, none empty"
            )
        return LabelSpec("classes", names=given)
    return kind_of(words, chosen_kind(args), args.label_range, where)


def split_name(raw: object) -> str:
    """The name of a split as ``DATA/`` has it.

    Train becomes train, and val, dev and validation valid; what is none of these stays as it is.
    """
    word = str(raw).strip()
    return SPLIT_NAMES.get(word.lower(), word)
