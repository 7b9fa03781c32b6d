"""One .npz as a manifest and feature files, and back into DATA with one modality more."""

from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from preprocess import import_arrays, unpack_arrays
from preprocess.tables.manifest import read_manifest

NAMES = ("--label", "y", "--split", "s", "--id", "i", "--group", "g", "--text", "t")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(
        tmp_path / "few.npz",
        audio=np.arange(12, dtype=np.float64).reshape(4, 3),
        y=np.array([0.1, -3, 2.5, 1 / 3], np.float32),
        s=np.array(["train", "train", "val", "test"]),
        i=np.array(["a_2", "a_10", "b_1", "c_1"]),
        g=np.array(["a", "a", "b", "c"]),
        t=np.array(["ONE", "Two words", "", "x"]),
    )
    return tmp_path / "few.npz"


def test_rows_and_features_are_what_the_arrays_hold(file: Path, tmp_path: Path) -> None:
    flags = ("--modalities", "audio", "--lower", "--positions-in-ids", "--out", str(tmp_path))
    unpack_arrays.main([str(file), *NAMES, *flags])
    rows = read_manifest(tmp_path / "manifest.tsv").rows
    assert [(r.id, r.split, r.group, r.position) for r in rows] == [
        ("a_2", "train", "a", 2),
        ("a_10", "train", "a", 10),
        ("b_1", "valid", "b", 1),
        ("c_1", "test", "c", 1),
    ]
    assert [row.label for row in rows] == ["0.100000001", "-3", "2.5", "0.333333343"]
    assert [row.text or "" for row in rows] == ["one", "two words", "", "x"]
    vector = np.load(tmp_path / "features" / "audio" / "a_10.npy")
    assert vector.dtype == np.float32 and vector.tolist() == [[3, 4, 5]]


def test_an_id_without_a_number_has_no_position(file: Path, tmp_path: Path) -> None:
    with np.load(file) as arrays:
        np.savez(file, **{**arrays, "i": np.array(["a_2", "a", "b_1", "c_1"])})
    with pytest.raises(InputError, match=r"id 'a' does not end in _NUMBER"):
        unpack_arrays.main([str(file), *NAMES, "--positions-in-ids", "--out", str(tmp_path)])


def test_a_folder_of_vectors_becomes_one_more_modality(file: Path, tmp_path: Path) -> None:
    for place, name in enumerate(("a_2", "a_10", "b_1", "c_1")):
        np.save(tmp_path / f"{name}.npy", np.full((1, 2), place, np.float32))
    data = tmp_path / "DATA"
    flags = (*NAMES, "--modalities", "audio", "--folder", f"more={tmp_path}", "--out", str(data))
    import_arrays.main([str(file), *flags])
    store = Store(data)
    assert {name: spec.dim for name, spec in store.modalities.items()} == {"audio": 3, "more": 2}
    assert store.split("test", ("more",)).features["more"][0].tolist() == [[3, 3]]
    np.save(tmp_path / "b_1.npy", np.zeros((2, 2), np.float32))
    with pytest.raises(
        InputError, match=r"row 'b_1' has shape \(2, 2\), expected one vector a row"
    ):
        import_arrays.main([str(file), *flags])
    (tmp_path / "b_1.npy").unlink()
    with pytest.raises(InputError, match=r"row 'b_1' has no file"):
        import_arrays.main([str(file), *flags])
