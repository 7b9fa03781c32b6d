"""A device that is given as a file is refused before it is read, for it has no end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.data.format.array_files import read_npy, read_npz
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.rows import RowTable
from mia_fairseq.errors import InputError
from mia_fairseq.report.evaluation_files import read_results
from preprocess.corpora.cmu_folds import read_folds
from preprocess.tables.hdf5_files import open_hdf5
from preprocess.tables.manifest import read_manifest
from preprocess.tables.pickled_arrays import read_pickle
from preprocess.tables.table_reader import read_table

READERS: dict[str, Callable[[Path], object]] = {
    "labels.csv": read_table,
    "labels.xlsx": read_table,
    "manifest.tsv": read_manifest,
    "aligned_50.pkl": read_pickle,
    "features.npz": read_npz,
    "words.csd": open_hdf5,
    "folds.json": read_folds,
    "results.json": read_results,
    "features.npy": lambda path: read_npy(path, "make it again"),
    "train.tsv": lambda path: RowTable(path, LabelSpec("regression")),
    "checkpoint_best.pt": read_state,
}


@pytest.mark.parametrize("name", READERS)
def test_a_link_to_a_device_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=f"{name}: is a device, expected a file or a pipe; name a"):
        READERS[name](path)
