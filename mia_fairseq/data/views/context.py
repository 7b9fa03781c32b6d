"""Context modalities: means over the neighbouring utterances of a video or a dialogue.

Token modalities have no mean; token_context.py joins them instead.

Everything is computed once, when a split is opened, from this split's rows alone: a row never
sees another split's rows, even where a group straddles splits. N rows, d the modality's dim.
"""

import math
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.store import Split
from mia_fairseq.data.format.tables import VectorTable
from mia_fairseq.data.format.vectors import OpenFile, VectorFile, Vectors
from mia_fairseq.data.views.derived import Context
from mia_fairseq.errors import InputError

Integers = NDArray[np.int64]


class GroupOrder(NamedTuple):
    """The rows that have a group, by group and position: M of N."""

    rows: Integers  # (M,) row numbers
    begin: Integers  # (M,) where the group of each place begins among the M
    end: Integers  # (M,) where it ends


def context_tables(
    split: Split, source: VectorTable, contexts: Sequence[Context]
) -> dict[str, VectorTable]:
    """The tables of contexts of one modality: at most one vector a row, N lengths of 0 or 1.

    A neighbour counts once, with the mean of its vectors over time; one whose modality is
    missing is left out. A row none of whose neighbours has the modality gets length 0.
    Neighbours are counted in the order of positions, so gaps in their numbers do not matter.

    Args:
        split: where groups and positions are.
        source: the modality's vectors in this split.
        contexts: what to compute, all of this modality.

    Raises:
        InputError: the rows have no group, or no position where a range needs one.
    """
    order = group_order(split, contexts)
    dim = source.vectors.shape[1]
    present = source.lengths[order.rows] > 0
    means = spool((_mean(source[row]) for row in order.rows[present]), (dim,), np.float32)
    tables = {}
    for context in contexts:
        different, which = distinct_windows(order, present, context)
        full = different[:, 0] < different[:, 1]
        chosen = (_mean(means[start:stop]) for start, stop in different[full])
        vectors = spool(chosen, (dim,), np.float32)
        lengths, offsets = np.zeros((2, len(split)), np.int64)
        lengths[order.rows] = full[which]
        offsets[order.rows] = (np.cumsum(full) - full)[which]
        tables[str(context)] = VectorTable(source.path, lengths, vectors, offsets)
    return tables


def group_order(
    split: Split,
    contexts: Sequence[Context],
    flag: str = "--context",
    *,
    by_position: bool = False,
) -> GroupOrder:
    """Sorts a split's rows by group and, where a context is a range, by position.

    Args:
        split: has the rows.
        contexts: what the order is needed for.
        flag: which gave them, for messages.
        by_position: whether whole groups need positions, too.
    """
    where = f"{split.store.path}, split {split.name!r}"
    codes: dict[str, int] = {}
    grouped, code, known, placed = array("q"), array("q"), array("q"), array("b")
    for number, utterance in enumerate(split.rows):
        if utterance.group:
            grouped.append(number)
            code.append(codes.setdefault(utterance.group, len(codes)))
            known.append(utterance.position or 0)
            placed.append(utterance.position is not None)
    if not grouped:
        raise InputError(
            f"{where}: the rows have no group (video or dialogue), which {flag} "
            f"{contexts[0]} needs; import the data again with groups"
        )
    rows, group, position = np.array(grouped), np.array(code), np.array(known)
    size = np.bincount(group)
    ranges = [context for context in contexts if by_position or context.window is not None]
    if ranges:
        lost = np.flatnonzero((np.array(placed) == 0) & (size[group] > 1))
        if len(lost):
            row = split.rows[int(rows[lost[0]])]
            raise InputError(
                f"{where}: row {row.id!r} of group {row.group!r} has "
                f"no position, which {flag} {ranges[0]} needs; import the data again with "
                f"positions" + ("" if by_position else f", or use {ranges[0].source}[group]")
            )
    else:
        position = np.zeros_like(position)
    sorting = np.lexsort([rows, position, group])
    rows, group, position = rows[sorting], group[sorting], position[sorting]
    if ranges:
        same = np.flatnonzero((np.diff(group) == 0) & (np.diff(position) == 0))
        if len(same):
            one, other = (split.rows[row] for row in rows[same[0] : same[0] + 2])
            raise InputError(
                f"{where}: rows {one.id!r} and {other.id!r} of group {one.group!r} share the "
                f"position {one.position}, so {flag} {ranges[0]} cannot tell which comes "
                "first; give each a position of its own"
            )
    end = np.cumsum(size)
    return GroupOrder(rows, (end - size)[group], end[group])


def spool(
    rows: Iterable[NDArray[Any]], item_shape: tuple[int, ...], dtype: type[np.generic]
) -> Vectors:
    """Writes rows to a file without a name: memory does not grow with them.

    Args:
        rows: arrays of one or more items.
        item_shape: of one item.
        dtype: in which they are kept.

    Returns:
        (V, *item_shape), the items of all rows.
    """
    with tempfile.TemporaryFile() as file:
        for row in rows:
            file.write(np.ascontiguousarray(row, dtype).tobytes())
        file.flush()
        kind = np.dtype(dtype)
        count = file.tell() // (kind.itemsize * math.prod(item_shape))
        held = OpenFile(file, "a temporary file of contexts")
        return VectorFile(held, kind, (count, *item_shape))


def distinct_windows(
    order: GroupOrder, present: NDArray[np.bool_], context: Context
) -> tuple[Integers, Integers]:
    """The neighbours that have the modality, of each place among the M; many share a window.

    Args:
        order: the rows that have a group.
        present: (M,) whether the modality is there.
        context: which neighbours.

    Returns:
        (W, 2) where each distinct window begins and ends among the rows present, and (M,) which
        one is each place's.
    """
    before = np.concatenate([[0], np.cumsum(present)])  # how many are present before each place
    found = before[windows(order, context)].T
    different, which = np.unique(found, axis=0, return_inverse=True)
    return different, which.ravel()


def windows(order: GroupOrder, context: Context) -> Integers:
    """(2, M): where each place's neighbours begin and end among the M."""
    begin, end = order.begin, order.end
    if context.window is not None:
        first, last = context.window
        place = np.arange(len(order.rows))
        begin = np.clip(place + first, order.begin, order.end)
        end = np.clip(place + last + 1, begin, order.end)
    return np.stack([begin, end])


def _mean(vectors: NDArray[Any]) -> NDArray[Any]:
    return vectors.mean(axis=0, dtype=np.float64)
