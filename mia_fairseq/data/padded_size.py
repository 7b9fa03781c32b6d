"""Batches divided where padding would cost far more memory than what they hold.

One row of a million frames among short ones makes each of them as long. Ordinary batches, below
`LARGE`, stay as they are, so trainings keep their numbers.
"""

import logging
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.store import Split

LARGE = 1 << 26  # padded values: 256 MiB of float32
WASTE = 2  # times what the rows hold

logger = logging.getLogger(__name__)


def without_waste(batches: Sequence[NDArray[np.int64]], split: Split) -> list[NDArray[np.int64]]:
    """The batches; those that pad more than `LARGE` values and `WASTE` times their own divided.

    Args:
        batches: row numbers.
        split: whose rows they are.

    Returns:
        The batches in their order; a divided one by its rows' size, each part within either bound.
    """
    parts = [part for batch in batches for part in _divided(np.asarray(batch), split)]
    more = len(parts) - len(batches)
    if more:
        logger.info(
            "%s: rows of very different length made %d batches more, to pad less", split.name, more
        )
    return parts


def _divided(batch: NDArray[np.int64], split: Split) -> list[NDArray[np.int64]]:
    lengths = np.stack([table.lengths[batch] for table in split.features.values()], axis=1)
    widths = np.array([math.prod(spec.item_shape) for spec in split.specs.values()], np.int64)
    if not _is_wasteful(lengths, widths):
        return [batch]
    order = np.argsort(lengths @ widths, kind="stable")
    parts, begin = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or _is_wasteful(lengths[order[begin : end + 1]], widths):
            parts.append(batch[order[begin:end]])
            begin = end
    return parts


def _is_wasteful(lengths: NDArray[np.int64], widths: NDArray[np.int64]) -> bool:
    """Whether rows' lengths (B, modalities) pad more than both bounds allow."""
    padded = len(lengths) * int(lengths.max(axis=0) @ widths)
    return padded > LARGE and padded > WASTE * int((lengths @ widths).sum())
