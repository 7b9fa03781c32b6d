"""Contexts of tokens: the neighbours' tokens joined into one sequence, for the source's encoder.

Rows are joined in the order of positions. Each but the first loses its first token, the start
symbol, so every end symbol still tells where an utterance ends: ``<s> a </s> b </s>``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.store import Split
from mia_fairseq.data.format.tables import TokenTable, VectorTable
from mia_fairseq.data.views.context import distinct_windows, group_order, spool
from mia_fairseq.data.views.cut_rows import NARROW, log_cut
from mia_fairseq.data.views.derived import Context


def token_context_tables(
    split: Split, source: VectorTable, contexts: Sequence[Context], limit: int | None
) -> dict[str, VectorTable]:
    """The tables of contexts of one token modality, one sequence a row.

    What is longer than ``limit`` loses the tokens that are farthest from the utterance: the oldest
    behind the start symbol, or, of a range that lies after it, the last ones before the end symbol.
    It is counted in the log. A row none of whose neighbours has the modality gets length 0.

    Args:
        split: where groups and positions are.
        source: the modality's tokens in this split.
        contexts: what to join, all of this modality.
        limit: the longest sequence that the encoder can see; None: any.

    Raises:
        InputError: the rows have no group, or no position where a range needs one.
    """
    order = group_order(split, contexts)
    present = source.lengths[order.rows] > 0
    rows = order.rows[present]
    tokens_before = np.concatenate([[0], np.cumsum(source.lengths[rows])])
    tables: dict[str, VectorTable] = {}
    for context in contexts:
        different, which = distinct_windows(order, present, context)
        joined = np.diff(tokens_before[different])[:, 0]
        joined -= np.maximum(np.diff(different)[:, 0] - 1, 0)  # start symbols that are dropped
        kept = joined if limit is None else np.minimum(joined, limit)
        later = context.window is not None and context.window[0] > 0
        sequences = (
            nearest(join(source[row] for row in rows[start:stop]), limit, later=later)
            for start, stop in different
        )
        vectors = spool(sequences, (), np.int32)
        lengths, offsets, before_cut = np.zeros((3, len(split)), np.int64)
        lengths[order.rows] = kept[which]
        offsets[order.rows] = (np.cumsum(kept) - kept)[which]
        before_cut[order.rows] = joined[which]
        log_cut(split.name, str(context), before_cut, limit, lambda row: split.rows[row].id, NARROW)
        tables[str(context)] = TokenTable(source.path, lengths, vectors, offsets)
    return tables


def join(rows: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One sequence of several, each but the first without its start symbol; (0,) of none."""
    parts = [row[place > 0 :] for place, row in enumerate(rows)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def nearest(tokens: NDArray[Any], limit: int | None, *, later: bool) -> NDArray[Any]:
    """At most ``limit`` tokens of a sequence, those nearest to an utterance after or before it.

    Args:
        tokens: (T,) with its start and end symbols, which both stay.
        limit: from 2 up, or None.
        later: whether the sequence lies after the utterance, so that its beginning is nearest.
    """
    if limit is None or len(tokens) <= limit:
        return tokens
    if later:
        return np.concatenate([tokens[: limit - 1], tokens[-1:]])
    return np.concatenate([tokens[:1], tokens[len(tokens) - limit + 1 :]])
