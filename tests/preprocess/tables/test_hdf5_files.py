"""HDF5 files that lead to other files, or lie about their sizes, are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.corpora.cmu import read_cmu
from preprocess.extractors.base import build_extractor
from preprocess.tables.hdf5_files import open_hdf5, read_numbers

h5py = pytest.importorskip("h5py")


def external_storage(file: Any, secret: Path) -> None:
    group = file["X/data/v"]
    del group["features"]
    group.create_dataset("features", (2, 4), "<f8", external=[(str(secret), 0, 64)])


def external_link(file: Any, secret: Path) -> None:
    file["X/data/w"] = h5py.ExternalLink(str(secret), "/")


def soft_link(file: Any, secret: Path) -> None:
    file["X/data/w"] = h5py.SoftLink("/X/data/v")


def virtual_dataset(file: Any, secret: Path) -> None:
    layout = h5py.VirtualLayout((2, 4), "<f8")
    layout[:] = h5py.VirtualSource(str(secret), "x", (2, 4))
    del file["X/data/v/features"]
    file["X/data/v"].create_virtual_dataset("features", layout)


def circle(file: Any, secret: Path) -> None:
    file["X/data/v/again"] = file["X/data"]


def text(file: Any, secret: Path) -> None:
    del file["X/data/v/features"]
    file["X/data/v/features"] = [["a"], ["b"]]


def one_axis(file: Any, secret: Path) -> None:
    del file["X/data/v/features"]
    file["X/data/v/features"] = [1.0, 2.0]


def nothing_stored(file: Any, secret: Path) -> None:
    del file["X/data/v/features"]
    file["X/data/v"].create_dataset("features", (10**9, 10**4), "<f8", chunks=(10, 10))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (external_storage, r"/X/data/v/features: keeps its numbers in another file \('.*secret"),
        (external_link, "/X/data/w: is a link to the file '.*secret"),
        (soft_link, "/X/data/w: is a link to another name, which is never followed"),
        (virtual_dataset, "/X/data/v/features: is a virtual dataset"),
        (circle, "/X/data/v/again: is another name of an object met before"),
        (text, "/X/data/v/features: is no table of real numbers"),
        (one_axis, r"has shape \(2,\), expected \(rows, columns\)"),
        (nothing_stored, r"unpacked, it takes 7\.45e\+04 GiB of memory"),
    ],
)
def test_what_leads_elsewhere_is_refused_by_both_readers(
    tmp_path: Path, change: Callable[[Any, Path], None], told: str
) -> None:
    (tmp_path / "secret").write_bytes(np.arange(64.0).tobytes())
    path = tmp_path / "CMU_Labels.csd"
    with h5py.File(path, "w") as file:
        file["X/data/v/features"] = np.zeros((2, 4))
        file["X/data/v/intervals"] = np.array([[0, 1], [1, 2.0]])
        change(file, tmp_path / "secret")
    with pytest.raises(InputError, match=told):
        build_extractor("cmu_csd", {"path": str(path)})
    folds = tmp_path / "folds.json"
    folds.write_text(
        '{"standard_train_fold": ["v"], "standard_valid_fold": [], "standard_test_fold": []}'
    )
    with pytest.raises(InputError, match=told):
        read_cmu("CMU-MOSI", tmp_path, path, folds)


def test_a_damaged_part_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csd"
    with h5py.File(path, "w") as file:
        numbers = np.random.default_rng(0).random((100, 4))
        features = file.create_dataset("X/data/v/features", data=numbers, compression=9)
        place = features.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 8 : place + 72] = bytes(64)
    path.write_bytes(content)
    with open_hdf5(path) as file, pytest.raises(InputError, match="a part of it cannot be read"):
        read_numbers(file["X/data/v"], "features", path)
