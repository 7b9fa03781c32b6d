"""Batches: padding, lengths, labels, order, and rows with NaN."""

from pathlib import Path

import numpy as np
import pytest
import torch
from harness import EMOTIONS, make_store

from mia_fairseq.data.array_batch import pad
from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError


def open_train(path: Path, **settings) -> AffectDataset:
    return AffectDataset(Store(path).split("train"), **settings)


def test_a_batch_pads_each_modality_to_its_own_longest(tmp_path: Path) -> None:
    dataset = open_train(make_store(tmp_path / "D", {"text": 3, "audio": 2}, missing=0.3))
    rows = [4, 0, 17, 9]
    batch = dataset.collater([dataset[row] for row in rows])
    assert batch["id"].tolist() == rows and batch["nsentences"] == 4 and batch["split"] == "train"
    assert batch["target"].dtype == torch.float32
    assert torch.allclose(batch["target"].double(), torch.from_numpy(dataset.labels[rows]))
    for name, table in dataset.split.features.items():
        features = batch["net_input"]["features"][name]
        lengths = batch["net_input"]["lengths"][name].tolist()
        assert lengths == table.lengths[rows].tolist()
        assert features.shape == (4, max(1, *lengths), table.vectors.shape[1])
        for place, row in enumerate(rows):
            assert np.array_equal(features[place, : lengths[place]], table[row])
            assert not features[place, lengths[place] :].any()


def test_rows_of_one_vector_are_read_to_their_places(tmp_path: Path) -> None:
    dataset = open_train(make_store(tmp_path / "D", {"text": 3, "audio": 2}, longest=1))
    rows = [4, 0, 17, 9]
    inputs = dataset.collater([dataset[row] for row in rows])["net_input"]
    for name, table in dataset.split.features.items():
        padded, lengths = pad([table[row] for row in rows])
        assert table.single_items(rows) is not None
        assert np.array_equal(inputs["features"][name], padded)
        assert inputs["features"][name].dtype == torch.float32
        assert inputs["lengths"][name].tolist() == lengths.tolist()
        assert table.with_rows(0 * table.lengths).single_items(rows) is None


def test_classes_are_whole_numbers(tmp_path: Path) -> None:
    dataset = open_train(make_store(tmp_path / "D", {"text": 3}, label=EMOTIONS))
    target = dataset.collater([dataset[0], dataset[1]])["target"]
    assert target.dtype == torch.int64 and target.tolist() == dataset.labels[:2].tolist()


def test_no_items_make_an_empty_batch(tmp_path: Path) -> None:
    assert open_train(make_store(tmp_path / "D", {"text": 3})).collater([]) == {}


def test_a_batch_without_a_modality_has_one_row_of_zeros() -> None:
    padded, lengths = pad([np.zeros((0, 3)), np.zeros((0, 3))])
    assert padded.shape == (2, 1, 3) and lengths.tolist() == [0, 0]


def test_training_draws_a_new_order_and_evaluation_goes_by_length(tmp_path: Path) -> None:
    path = make_store(tmp_path / "D", {"text": 3})
    shuffled, kept = open_train(path, shuffle=True), open_train(path)
    np.random.seed(1)
    first = shuffled.ordered_indices()
    second = shuffled.ordered_indices()
    np.random.seed(1)
    assert np.array_equal(first, shuffled.ordered_indices())
    assert not np.array_equal(first, second) and sorted(first) == list(range(60))
    rows = kept.ordered_indices().tolist()
    sizes = [kept.size(row) for row in rows]
    assert sorted(rows) == list(range(60)) and sizes == sorted(sizes)
    assert rows == kept.ordered_indices().tolist()
    assert kept.can_reuse_epoch_itr_across_epochs
    assert not shuffled.can_reuse_epoch_itr_across_epochs


def test_nan_on_disk_names_the_row(tmp_path: Path) -> None:
    path = make_store(tmp_path / "D", {"text": 3})
    dataset = open_train(path)
    vectors = np.load(path / "train.text.npy", mmap_mode="r+")
    vectors[dataset.split.features["text"].offsets[5]] = np.nan
    vectors.flush()
    with pytest.raises(InputError, match="text of row 'train-5' holds NaN or Inf"):
        dataset.collater([dataset[row] for row in range(8)])


def test_sizes_are_the_longest_modality(tmp_path: Path) -> None:
    dataset = open_train(make_store(tmp_path / "D", {"text": 3, "audio": 2}, missing=0.3))
    tables = dataset.split.features.values()
    for row in range(20):
        assert dataset.size(row) == max(1, *(table.lengths[row] for table in tables))
        assert dataset.num_tokens(row) == dataset.size(row)
