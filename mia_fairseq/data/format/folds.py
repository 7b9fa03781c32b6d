"""Cross-validation: a ``DATA/`` whose rows are divided anew, by their column ``fold``.

With fold K as the test, the rows of fold K are ``test``, those of the next fold (the lowest after
the highest) ``valid``, all others ``train``. How the tables on disk divide them does not count.
Nothing is copied: the divided rows are read where they lie. V items of all a split's rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.rows import RowTable, Utterance
from mia_fairseq.data.format.store import Split, Store
from mia_fairseq.data.format.tables import VectorTable
from mia_fairseq.errors import InputError

Places = NDArray[np.int64]  # (rows, 2): which part, and which row of it


class FoldedStore(Store):
    """A ``DATA/`` folder, its rows divided into train, valid and test by their folds.

    Attributes:
        fold: K.
        folds: all there are, in order.

    Args:
        path: of the folder.
        fold: K; None: the first.

    Raises:
        InputError: a row has no fold, there are fewer than three, none is K, or a group (a video,
            a dialogue, an actor) lies in two of them.
    """

    def __init__(self, path: Path | str, fold: int | None = None) -> None:
        super().__init__(path)
        self._stored = dict(self.splits)
        folds = self._read_folds()
        self.folds = names = tuple(int(name) for name in np.unique(folds[:, 2]))
        self.fold = fold = names[0] if fold is None else fold
        if len(names) < 3 or fold not in names:
            raise InputError(
                f"{self.path}: --fold is {fold}, its rows have folds "
                f"{', '.join(map(str, names))}; expected one of three or more"
            )
        valid = names[(names.index(fold) + 1) % len(names)]
        roles = {"train": ~np.isin(folds[:, 2], (fold, valid))}
        roles |= {"valid": folds[:, 2] == valid, "test": folds[:, 2] == fold}
        self._places = {role: folds[chosen, :2] for role, chosen in roles.items()}
        self.splits = {role: len(places) for role, places in self._places.items()}

    def split(self, name: str, modalities: Iterable[str] | None = None) -> Split:
        """Opens ``train``, ``valid`` or ``test`` as the folds divide them."""
        if name not in self.splits:
            raise InputError(
                f"{self.path}: has no split {name!r} with --fold, but {', '.join(self.splits)}"
            )
        names = list(self.modalities if modalities is None else modalities)
        parts = [self._open(stored, names) for stored in self._stored]
        places = self._places[name]
        split = Split.__new__(Split)
        split.store, split.name, split.specs = self, name, parts[0].specs
        split.rows = ChosenRows([part.rows for part in parts], places)
        split.features = {
            modality: chosen_table([part.features[modality] for part in parts], places)
            for modality in names
        }
        return split

    def _open(self, stored: str, modalities: Sequence[str]) -> Split:
        return Split(self, stored, modalities, rows=self._stored[stored])

    def _read_folds(self) -> NDArray[np.int64]:
        """(rows, 3): which stored split, which row of it, which fold; of all rows, in order."""
        found: list[tuple[int, int, int]] = []
        group_folds: dict[str, int] = {}
        for part, name in enumerate(self._stored):
            for number, row in enumerate(self._open(name, ()).rows):
                if row.fold is None:
                    mend = (
                        "unite its parts again, with --fold there"
                        if self.united
                        else "import the data again with a column (--fold) of folds"
                    )
                    raise InputError(
                        f"{self.path}: --fold needs the fold of every row, and row {row.id!r} of "
                        f"{name} has none; {mend}"
                    )
                if row.group and group_folds.setdefault(row.group, row.fold) != row.fold:
                    raise InputError(
                        f"{self.path}: group {row.group!r} lies in the folds "
                        f"{group_folds[row.group]} and {row.fold} (row {row.id!r}), so a model "
                        "would be tested on whom it has seen; give a group one fold"
                    )
                found.append((part, number, row.fold))
        return np.array(found, np.int64).reshape(-1, 3)


class ChosenRows(RowTable):
    """Rows of several tables, in any order.

    Args:
        parts: the tables.
        places: (rows, 2) which table, and which row of it.
    """

    def __init__(self, parts: Sequence[RowTable], places: Places) -> None:
        self.parts, self.places = parts, places
        self.path, self.label = parts[0].path, parts[0].label
        labels, further = [part.labels for part in parts], [part.further for part in parts]
        self._labels = np.array([labels[part][row] for part, row in places])
        self._further = {
            name: np.array([further[part][name][row] for part, row in places])
            for name in further[0]
        }

    def __getitem__(self, row: int) -> Utterance:
        part, own = self.places[range(len(self))[row]]
        return self.parts[part][int(own)]

    def __iter__(self) -> Iterator[Utterance]:
        return (self[row] for row in range(len(self)))


class ChosenVectors:
    """(V, ...) items of rows that lie in several tables, read when they are asked for.

    Args:
        parts: the tables.
        places: (rows, 2) which table, and which row of it.
        ends: (rows,) where each row's items end among the V.
    """

    def __init__(self, parts: Sequence[VectorTable], places: Places, ends: Places) -> None:
        self.parts, self.places, self.ends = parts, places, ends
        first = parts[0].vectors
        self.dtype, self.shape = first.dtype, (int(ends[-1]), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, items: slice) -> NDArray[Any]:
        """The items of a slice without a step."""
        start, stop, _ = items.indices(len(self))
        found = [np.empty((0, *self.shape[1:]), self.dtype)]
        row = int(np.searchsorted(self.ends, start, side="right"))
        while start < stop:
            part, own = self.places[row]
            table, end = self.parts[part], int(self.ends[row])
            place = int(table.offsets[own]) + int(table.lengths[own]) - (end - start)
            taken = min(stop, end) - start
            found.append(table.vectors[place : place + taken])
            start, row = start + taken, row + 1
        return np.concatenate(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of them, in memory."""
        return np.asarray(self[:], dtype)


def chosen_table(parts: Sequence[VectorTable], places: Places) -> VectorTable:
    """One modality's rows of several tables of one kind, as one table."""
    known = [part.lengths for part in parts]
    lengths = np.array([known[part][row] for part, row in places], np.int64)
    vectors = ChosenVectors(parts, places, np.cumsum(lengths))
    return type(parts[0])(parts[0].path, lengths, vectors)


def open_store(path: Path | str, fold: int | None = None) -> Store:
    """A ``DATA/`` folder, divided as its tables say, or by folds where one is named."""
    return Store(path) if fold is None else FoldedStore(path, fold)
