"""Contexts against naive loops and by hand: neighbours, groups, splits, what is missing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from harness import SCORES

from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Split, Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.data.views.context import context_tables
from mia_fairseq.data.views.derived import Context
from mia_fairseq.errors import InputError

Row = tuple[str | None, int | None, list[list[float]]]  # group, position, vectors
BEFORE, AFTER, GROUP = Context("x", (-2, -1)), Context("x", (1, 2)), Context("x")


def write(path: Path, splits: dict[str, Sequence[Row]], dim: int = 1) -> Store:
    with StoreWriter(
        path, corpus="t", label=SCORES, modalities={"x": ModalitySpec(dim), "y": ModalitySpec(1)}
    ) as store:
        for split, rows in splits.items():
            for number, (group, position, vectors) in enumerate(rows):
                array = np.array(vectors, np.float32).reshape(-1, dim)
                utterance = Utterance(f"{split}-{number}", 0.0, None, group, position)
                store.add(split, utterance, {"x": array, "y": np.ones((1, 1))})
    return Store(path)


def values(split: Split, context: Context) -> list[float | None]:
    """The context of each row, None where it is missing."""
    table = context_tables(split, split.features["x"], [context])[str(context)]
    read = [table[row] for row in range(len(split))]
    assert [len(vectors) for vectors in read] == table.lengths.tolist()
    return [float(vectors[0, 0]) if len(vectors) else None for vectors in read]


def test_by_hand_whatever_the_order_and_the_gaps(tmp_path: Path) -> None:
    # Group a in the order of positions: 1, 2, 4, 8; group b: 100, 300.
    rows: list[Row] = [
        ("a", 40, [[4]]),
        ("b", 7, [[300]]),
        ("a", 1, [[1]]),
        ("a", 99, [[8]]),
        ("b", -7, [[100]]),
        ("a", 2, [[2]]),
    ]
    split = write(tmp_path / "D", {"train": rows}).split("train")
    assert values(split, BEFORE) == [1.5, 100, None, 3, None, 1]
    assert values(split, AFTER) == [8, None, 3, None, 300, 6]
    assert values(split, GROUP) == [3.75, 200, 3.75, 3.75, 200, 3.75]
    assert values(split, Context("x", (-3, -3))) == [None, None, None, 1, None, None]
    assert values(split, Context("x", (5, 9))) == [None] * 6


def test_a_neighbour_counts_once_however_long_and_not_where_it_is_missing(tmp_path: Path) -> None:
    rows: list[Row] = [
        ("a", 0, [[1], [3]]),  # a mean of 2
        ("a", 1, []),
        ("a", 2, [[10]]),
        ("a", 3, []),
        ("b", 0, []),
        (None, None, [[7]]),  # without a group, so without neighbours
    ]
    split = write(tmp_path / "D", {"train": rows}).split("train")
    assert values(split, BEFORE) == [None, 2, 2, 10, None, None]
    assert values(split, GROUP) == [6, 6, 6, 6, None, None]
    table = context_tables(split, split.features["x"], [GROUP])["x[group]"]
    assert table.missing == 2 and len(table.vectors) == 1  # one vector a group is kept


def test_no_row_sees_another_split_though_the_group_straddles(tmp_path: Path) -> None:
    train: list[Row] = [("a", 0, [[1]]), ("a", 2, [[3]])]
    test: list[Row] = [("a", 1, [[50]]), ("a", 3, [[70]])]
    together = write(tmp_path / "D", {"train": train, "test": test})
    for context in (BEFORE, AFTER, GROUP):
        for name, rows in (("train", train), ("test", test)):
            alone = write(tmp_path / name / str(context), {name: rows}).split(name)
            assert values(together.split(name), context) == values(alone, context)
    assert values(together.split("test"), BEFORE) == [None, 50]
    assert values(together.split("train"), GROUP) == [2, 2]


@pytest.mark.parametrize("context", [BEFORE, AFTER, GROUP, Context("x", (-1, -1))])
def test_against_naive_loops(tmp_path: Path, context: Context) -> None:
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for group in range(9):
        for position in rng.permutation(50)[: rng.integers(1, 9)]:
            length = int(rng.integers(0, 4))
            rows.append((f"g{group}", int(position), rng.normal(size=(length, 3)).tolist()))
    rows = [rows[i] for i in rng.permutation(len(rows))]
    split = write(tmp_path / "D", {"train": rows}, dim=3).split("train")
    table = context_tables(split, split.features["x"], [context])[str(context)]
    for number, (group, position, _) in enumerate(rows):
        members = sorted((p, i) for i, (g, p, _) in enumerate(rows) if g == group)
        place = members.index((position, number))
        found = []
        for other, (_, i) in enumerate(members):
            near = context.window is None or (
                context.window[0] <= other - place <= context.window[1]
            )
            if near and rows[i][2]:
                found.append(np.mean(np.array(rows[i][2]), axis=0))
        assert table.lengths[number] == bool(found)
        if found:
            assert np.allclose(table[number], [np.mean(found, axis=0)], atol=1e-6)


def test_several_contexts_at_once_are_each_alone_and_make_a_batch(tmp_path: Path) -> None:
    rows: list[Row] = [("a", place, [[float(place)]]) for place in range(5)]
    split = write(tmp_path / "D", {"train": rows}).split("train")
    contexts = [BEFORE, AFTER, GROUP]
    tables = context_tables(split, split.features["x"], contexts)
    split.features = {**split.features, **tables}
    dataset = AffectDataset(split)
    batch = dataset.collater([dataset[row] for row in (4, 0, 2)])["net_input"]
    assert batch["lengths"]["x[-2:-1]"].tolist() == [1, 0, 1]
    assert batch["features"]["x[-2:-1]"].squeeze().tolist() == [2.5, 0, 0.5]
    assert batch["features"]["x[group]"].squeeze().tolist() == [2, 2, 2]
    for context in contexts:
        assert values(split, context) == [
            float(tables[str(context)][row][0, 0]) if tables[str(context)].lengths[row] else None
            for row in range(5)
        ]


REFUSED = {
    "no group": ([(None, 0, [[1]])], GROUP, "have no group (video or dialogue)"),
    "no position": (
        [("a", 0, [[1]]), ("a", None, [[1]])],
        BEFORE,
        "row 'train-1' of group 'a' has no position, which --context x[-2:-1] needs",
    ),
    "one position twice": (
        [("a", 0, [[1]]), ("b", 1, [[1]]), ("a", 0, [[1]])],
        AFTER,
        "rows 'train-0' and 'train-2' of group 'a' share the position 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_that_tell_no_neighbours_are_refused(tmp_path: Path, case: str) -> None:
    rows, context, words = REFUSED[case]
    split = write(tmp_path / "D", {"train": rows}).split("train")
    with pytest.raises(InputError) as caught:
        values(split, context)
    assert words in str(caught.value) and "train" in str(caught.value)


def test_the_whole_group_needs_no_position_and_a_row_alone_none_either(tmp_path: Path) -> None:
    rows: list[Row] = [("a", None, [[1]]), ("a", None, [[3]]), ("b", None, [[5]])]
    split = write(tmp_path / "D", {"train": rows}).split("train")
    assert values(split, GROUP) == [2, 2, 5]
    alone = write(tmp_path / "E", {"train": rows[2:]}).split("train")
    assert values(alone, BEFORE) == [None]
