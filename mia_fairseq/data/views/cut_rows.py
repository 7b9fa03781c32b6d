"""Rows that are longer than their encoder reads: cut, and told by name with what to do."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.tables import VectorTable

logger = logging.getLogger(__name__)

NAMED = 3  # rows that are named, the longest
DIVIDE = "divide such rows into shorter ones, by the columns start and end of their table"
NARROW = "name fewer neighbours, so that nothing is lost"


class CutTable(VectorTable):
    """A table whose rows have at most ``limit`` items (see `cut_row`)."""

    def __init__(self, table: VectorTable, limit: int) -> None:
        lengths = np.minimum(table.lengths, limit)
        super().__init__(table.path, lengths, table.vectors, table.offsets)
        self.whole, self.limit = table, limit

    def __getitem__(self, row: int) -> NDArray[Any]:
        return cut_row(self.whole[row], self.limit)


def cut_row(items: NDArray[Any], limit: int) -> NDArray[Any]:
    """At most ``limit`` items of a row: its first ones and its last.

    A token row ends with its end symbol, which so stays.
    """
    if len(items) <= limit:
        return items
    return np.concatenate([items[: limit - 1], items[-1:]])


def log_cut(
    split: str,
    modality: str,
    lengths: NDArray[np.int64],
    limit: int | None,
    name: Callable[[int], str],
    mend: str = DIVIDE,
) -> None:
    """Logs how many rows of a modality are longer than an encoder's limit, the longest by name.

    Args:
        split: its name.
        modality: its name.
        lengths: (rows,) before cutting.
        limit: items that the encoder reads at most; None: any number.
        name: of a row.
        mend: what to do.
    """
    cut = np.flatnonzero(lengths > (np.inf if limit is None else limit))
    if not len(cut):
        return
    longest = cut[np.argsort(-lengths[cut], kind="stable")][:NAMED]
    told = [f"{name(int(row))} (has {lengths[row]})" for row in longest]
    others = f" and {len(cut) - NAMED} more" if len(cut) > NAMED else ""
    logger.warning(
        "%s: %s of %d of %d rows is cut to the %d positions of its encoder: %s%s; %s",
        *(split, modality, len(cut), len(lengths), limit, ", ".join(told), others, mend),
    )
