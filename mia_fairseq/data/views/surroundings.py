"""Utterances among their neighbours: what a token encoder reads around the one that is asked about.

With ``--surroundings text[-2:+2]`` it reads ``<s> a </s> b </s> OWN </s> c </s> d </s>``, so that
the vectors of OWN know what stands around it; they alone go on, as if OWN had been read alone.
N rows; M of them have a group.
"""

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.store import Split
from mia_fairseq.data.format.tables import VectorTable
from mia_fairseq.data.views.context import Integers, group_order, windows
from mia_fairseq.data.views.cut_rows import NARROW, cut_row, log_cut
from mia_fairseq.data.views.derived import Context
from mia_fairseq.data.views.token_context import join, nearest

FLAG = "--surroundings"


class SurroundedTable(VectorTable):
    """Rows of tokens, each with its neighbours' around it; a missing row stays missing.

    Args:
        source: the rows alone.
        rows: row numbers of possible neighbours, by group and position.
        before, after: (N, 2) which of ``rows`` stand before each row, and which after it.
        limit: the longest sequence that the encoder can see; None: any.
    """

    own: Integers

    def __init__(
        self,
        source: VectorTable,
        rows: Integers,
        before: Integers,
        after: Integers,
        limit: int | None,
    ) -> None:
        own = source.lengths if limit is None else np.minimum(source.lengths, limit)
        # A neighbour's start symbol is dropped.
        tokens = np.concatenate([[0], np.cumsum(source.lengths[rows] - 1)])
        there = own > 0
        self.wanted = np.stack([np.diff(tokens[side])[:, 0] * there for side in (before, after)])
        self.kept = self.wanted if limit is None else _shared_out(self.wanted, limit - own)
        super().__init__(source.path, own + self.kept.sum(0), source.vectors, source.offsets)
        self.source, self.rows, self.sides, self.limit = source, rows, (before, after), limit
        self.own = np.stack([1 + self.kept[0], own], axis=1)

    def __getitem__(self, row: int) -> NDArray[np.int64]:
        own = self.source[row]
        if self.limit is not None:
            own = cut_row(own, self.limit)
        before, after = (self._side(row, place) for place in range(2))
        return np.concatenate([own[:1], before, own[1:], after])

    def _side(self, row: int, place: int) -> NDArray[np.int64]:
        """The tokens before (0) or after (1) a row."""
        kept = int(self.kept[place, row])
        if not kept:
            return np.empty(0, np.int64)
        start, stop = self.sides[place][row]
        joined = join(self.source[neighbour] for neighbour in self.rows[start:stop])
        return nearest(joined, 1 + kept, later=place == 1)[1:]


def surrounded_table(
    split: Split, source: VectorTable, window: Context, limit: int | None
) -> SurroundedTable:
    """A modality's rows with the neighbours of a window around them, from this split alone.

    A row without a group stands alone, and so does one whose neighbours lack the modality. What
    is longer than ``limit`` loses the tokens that are farthest from the row, and is counted in
    the log; the row's own tokens go last.

    Args:
        split: where groups and positions are.
        source: the modality's tokens in this split.
        window: which neighbours; it includes the row itself.
        limit: the longest sequence that the encoder can see; None: any.

    Raises:
        InputError: the rows have no group, or no position.
    """
    order = group_order(split, [window], FLAG, by_position=True)
    present = source.lengths[order.rows] > 0
    count = np.concatenate([[0], np.cumsum(present)])  # how many are present before each place
    begin, end = count[windows(order, window)]
    sides = np.zeros((2, len(split), 2), np.int64)
    sides[0, order.rows] = np.stack([begin, count[:-1]], axis=1)
    sides[1, order.rows] = np.stack([count[1:], end], axis=1)
    table = SurroundedTable(source, order.rows[present], sides[0], sides[1], limit)
    whole = (source.lengths + table.wanted.sum(0)) * (source.lengths > 0)
    log_cut(split.name, str(window), whole, limit, lambda row: split.rows[row].id, NARROW)
    return table


def _shared_out(wanted: Integers, room: Integers) -> Integers:
    """How many tokens each side may keep, (2, N): half the room, or what the other leaves."""
    half = room - room // 2
    before = np.minimum(wanted[0], np.maximum(half, room - wanted[1]))
    return np.stack([before, np.minimum(wanted[1], room - before)])
