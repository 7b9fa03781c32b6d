"""A row of a million frames costs its own size, not that of every row beside it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from harness import make_store

from mia_fairseq.data import padded_size
from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.padded_size import LARGE, WASTE, without_waste


def split_of(*lengths: list[int], dims: tuple[int, ...] = (74, 300)) -> SimpleNamespace:
    """What is asked of a split: lengths a modality, and what an item holds."""
    names = [f"m{place}" for place in range(len(lengths))]
    tables = [SimpleNamespace(lengths=np.array(own)) for own in lengths]
    specs = [SimpleNamespace(item_shape=(dim,)) for dim in dims]
    return SimpleNamespace(
        name="train",
        features=dict(zip(names, tables, strict=True)),
        specs=dict(zip(names, specs, strict=False)),
    )


def test_the_long_row_is_a_batch_of_its_own() -> None:
    split = split_of([5, 1_000_000, 7, 3], [2, 2, 2, 9])
    parts = without_waste([np.array([0, 1, 2, 3])], split)
    # Sizes 5 * 74 + 600 = 970, 7 * 74 + 600 = 1118, 3 * 74 + 2700 = 2922.
    assert [part.tolist() for part in parts] == [[0, 2, 3], [1]]


def test_ordinary_batches_and_those_of_equal_rows_stay() -> None:
    short = [np.arange(4), np.array([3, 1])]
    assert without_waste(short, split_of([5, 900, 7, 3], [1, 1, 1, 1])) == short
    long = [np.arange(3)]
    assert without_waste(long, split_of([900_000] * 3, [1] * 3)) == long


def test_every_row_comes_once_and_each_part_is_within_a_bound() -> None:
    rng = np.random.default_rng(0)
    lengths = (10 ** rng.uniform(0, 6.5, size=60)).astype(int)
    split = split_of(lengths.tolist(), dims=(300,))
    batches = np.array_split(rng.permutation(60), 4)
    parts = without_waste(batches, split)
    assert sorted(np.concatenate(parts).tolist()) == list(range(60)) and len(parts) > 4
    for part in parts:
        padded = len(part) * int(lengths[part].max()) * 300
        assert padded <= max(LARGE, WASTE * 300 * int(lengths[part].sum()))


def test_fairseqs_batches_are_divided(tmp_path: Path, monkeypatch) -> None:
    store = make_store(tmp_path / "DATA", {"text": 4}, rows={"train": 40}, longest=30)
    dataset = AffectDataset(Store(store).split("train"))
    rows = np.random.default_rng(1).permutation(40)
    whole = dataset.batch_by_size(rows, max_sentences=20)
    assert [len(batch) for batch in whole] == [20, 20]
    monkeypatch.setattr(padded_size, "LARGE", 400)
    monkeypatch.setattr(padded_size, "WASTE", 1)
    parts = dataset.batch_by_size(rows, max_sentences=20)
    assert len(parts) > 2 and sorted(np.concatenate(parts).tolist()) == list(range(40))
