"""Whole dialogues: which rows belong together, and the windows in which an encoder reads them.

With ``--read dialogue`` an encoder reads ``<s> Name : words </s> Name : words </s> ...``, each
token once, and a row's vectors are those of its own words and its end symbol. A dialogue that is
longer than the encoder's positions is read in windows that overlap; each row's vectors then come
from the window in which it stands farther from an edge, or, where nothing later is read, from the
first.

N rows, R rows of a batch, W windows, T the longest window.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.rows import Utterance
from mia_fairseq.data.format.store import Split
from mia_fairseq.data.views.context import Integers, group_order
from mia_fairseq.data.views.cut_rows import cut_row
from mia_fairseq.data.views.derived import Context

RowTokens = Callable[[int], NDArray[np.int64]]  # the tokens of a row, start and end symbol included


class Window(NamedTuple):
    """Rows that are read together, by their places in a dialogue."""

    begin: int
    end: int
    own_begin: int  # from here
    own_end: int  # to here the vectors of this window count


class DialogueReading(NamedTuple):
    """What an encoder reads of a batch of dialogues."""

    tokens: Integers  # (W, T), the padding id behind each end
    lengths: Integers  # (W,)
    turns: Integers  # (W, T) which utterance of its window each token is of
    own: Integers  # (R, 3) the window of each row, where its own items begin, and how many


@dataclass(frozen=True)
class Dialogues:
    """The rows of a split by dialogue.

    Attributes:
        rows: of each dialogue, in the order of positions.
        number: (N,) which dialogue each row is of.
        speaker: (N,) who speaks, counted within the dialogue in the order of appearance.
    """

    rows: Sequence[Integers]
    number: Integers
    speaker: Integers

    @classmethod
    def of(cls, split: Split, flag: str) -> "Dialogues":
        """The dialogues of a split; a row without a group is one by itself.

        Raises:
            InputError: no row has a group, or one of several has no position.
        """
        order = group_order(split, [Context(split.store.corpus)], flag, by_position=True)
        begins = np.unique(order.begin)
        found = np.split(order.rows, begins[1:])
        alone = np.setdiff1d(np.arange(len(split)), order.rows)
        rows = [*found, *np.split(alone, len(alone))] if len(alone) else found
        number, speaker = np.zeros((2, len(split)), np.int64)
        utterances: Mapping[int, Utterance] = dict(enumerate(split.rows))
        for place, dialogue in enumerate(rows):
            number[dialogue] = place
            speaker[dialogue] = count_speakers([utterances[int(row)].speaker for row in dialogue])
        return cls(rows, number, speaker)


def count_speakers(names: Sequence[str | None]) -> Integers:
    """Who speaks each utterance of a dialogue, 0 for who speaks first; unknown ones are one."""
    seen: dict[str | None, int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in names], np.int64)


def plan_windows(lengths: Sequence[int], room: int, *, past: bool) -> list[Window]:
    """The windows of one dialogue: consecutive ones share up to half of their tokens.

    Args:
        lengths: tokens of each utterance, none above `room`.
        room: tokens of a window, without its start symbol.
        past: whether a row reads nothing that comes later.
    """
    ends = np.cumsum(lengths)
    starts = ends - np.asarray(lengths, np.int64)
    windows: list[Window] = []
    begin, own_begin = 0, 0
    while own_begin < len(lengths):
        end = int(np.searchsorted(ends, starts[begin] + room, side="right"))
        following = begin
        if end < len(lengths):  # the next one begins half a window before its first new row
            half = max(int(ends[end - 1]) - room // 2, int(ends[end]) - room)
            following = min(int(np.searchsorted(starts, half, side="left")), end)
        own_end = end
        if end < len(lengths) and not past:
            middle = (starts[following] + ends[end - 1]) / 2 if following < end else ends[end - 1]
            centres = (starts + ends) / 2
            own_end = max(int(np.searchsorted(centres, middle, side="right")), following)
            own_end = min(max(own_end, own_begin), end)
        windows.append(Window(begin, end, own_begin, own_end))
        begin, own_begin = following, own_end
        if end == len(lengths):
            break
    return windows


class DialogueReader:
    """Puts the tokens of dialogues together.

    Args:
        row: gives a row's tokens.
        name: gives the tokens that stand before a row's words; none of them are its own.
        limit: the longest sequence that the encoder can see; None: any.
        pad: the padding id.
        past: whether a row reads nothing that comes later.
    """

    def __init__(
        self, row: RowTokens, name: RowTokens, limit: int | None, pad: int, *, past: bool
    ) -> None:
        self.row, self.name, self.limit, self.pad, self.past = row, name, limit, pad, past

    def read(self, dialogues: Sequence[Sequence[int]]) -> DialogueReading:
        """The windows of dialogues, and where in them each row is, in the order given.

        A row without tokens stands in no window, and has no items of its own.
        """
        sequences: list[list[NDArray[np.int64]]] = []
        own: list[tuple[int, int, int]] = []
        for rows in dialogues:
            pieces = [self._piece(int(row)) for row in rows]
            there = [place for place, (tokens, _) in enumerate(pieces) if len(tokens)]
            lengths = [len(pieces[place][0]) for place in there]
            room = (self.limit or 1 + sum(lengths)) - 1
            found = [(0, 0, 0)] * len(rows)
            start = self.row(int(rows[there[0]]))[:1] if there else np.empty(0, np.int64)
            for window in plan_windows(lengths, room, past=self.past):
                at = 1
                for place in range(window.begin, window.end):
                    tokens, named = pieces[there[place]]
                    if window.own_begin <= place < window.own_end:
                        whole = len(tokens) - named
                        found[there[place]] = (len(sequences), at + named, whole)
                    at += len(tokens)
                inside = [pieces[there[p]][0] for p in range(window.begin, window.end)]
                sequences.append([start, *inside])
            own += found
        return self._padded(sequences, own)

    def _piece(self, row: int) -> tuple[NDArray[np.int64], int]:
        """A row's tokens with its name before it, and how many are the name's."""
        tokens = self.row(row)[1:]
        if not len(tokens):
            return tokens, 0
        name = self.name(row)
        if self.limit is not None:
            name = name[: max(0, self.limit - 1 - len(tokens))]
            tokens = cut_row(tokens, self.limit - 1 - len(name))
        return np.concatenate([name, tokens]), len(name)

    def _padded(
        self, sequences: Sequence[Sequence[NDArray[Any]]], own: Sequence[tuple[int, int, int]]
    ) -> DialogueReading:
        lengths = np.array([sum(map(len, parts)) for parts in sequences] or [0], np.int64)
        shape = (len(lengths), max(1, int(lengths.max())))
        tokens, turns = np.full(shape, self.pad, np.int64), np.zeros(shape, np.int64)
        for number, parts in enumerate(sequences):
            tokens[number, : lengths[number]] = np.concatenate(parts)
            spoken = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
            turns[number, : lengths[number]] = np.maximum(spoken - 1, 0)  # the start is the first's
        return DialogueReading(tokens, lengths, turns, np.array(own, np.int64).reshape(-1, 3))
