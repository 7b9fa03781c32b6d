"""Validation rows for a corpus that has none: whole groups of training rows, drawn by a seed."""

import argparse
import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)


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
    sizes = Counter(training)
    names = sorted(sizes)
    drawn: set[str] = set()
    taken = 0
    for place in np.random.default_rng(seed).permutation(len(names)):
        if taken >= fraction * len(training):
            break
        drawn.add(names[place])
        taken += sizes[names[place]]
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
