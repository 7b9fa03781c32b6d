"""The options that say what the labels of an imported file are."""

import argparse

from mia_fairseq.data.format.labels import SENTIMENT_RANGE
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import name_values
from preprocess.tables.label_kinds import KINDS


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
    group.add_argument(
        "--label-kind",
        action="append",
        default=[],
        metavar="[NAME=]KIND",
        help="scores or classes, of the label or of the further label NAME (default: numbers are "
        "scores, words are classes, and it is said)",
    )
    group.add_argument(
        "--ignore-case", action="store_true", help="classes that differ by case only are one"
    )
    group.add_argument(
        "--leave-out-bad-labels",
        action="store_true",
        help="leave out rows whose label is missing, out of range or none of the classes, listed "
        "and counted",
    )


def chosen_kind(args: argparse.Namespace, further: str = "") -> str | None:
    """What --label-kind says of the label, or of a further one."""
    form = f"KIND or NAME=KIND with one of {', '.join(KINDS)}"
    items = [item if "=" in item else f"label={item}" for item in args.label_kind]
    kinds = name_values(items, "--label-kind", str, form)
    for kind in kinds.values():
        if kind not in KINDS:
            raise InputError(f"--label-kind is {kind!r}, expected {form}")
    return kinds.get(further or "label")
