"""DATA folders that an experiment's file makes, and rows that start from others."""

from pathlib import Path

import numpy as np
import pytest
from harness import make_store

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.data_steps import DataFolder, data_folders, make
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.running.logged_commands import RunError
from mia_fairseq.experiments.specification.experiment import load

FILE = """
claim: c.
needs: n
status: s
inputs: {file: the .npz, table: a table}
data:
  A:
    - python -m preprocess.import_arrays {file} --modalities text --label y --split s --out {data}
  B: ["python -m nothing {table} {work} --jobs {jobs}"]
runs:
  first: {data: A, only_validation: true}
  second: {data: B, after: first, flags: {init-from: "{checkpoint}", teacher: "{data}_work/t"}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(FILE)
    return tmp_path / "mine.yaml"


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    file = tmp_path / "a file.npz"
    split = np.array(["train"] * 4 + ["valid", "test"])
    np.savez(file, text=np.ones((6, 2)), y=np.zeros(6), s=split)
    return file


def folders(recipe: Path, out: Path, **inputs: str) -> list[DataFolder]:
    return data_folders(load(str(recipe)), inputs, file=recipe, out=out, jobs=3)


def test_a_folder_is_made_once_of_one_thing(
    recipe: Path, arrays: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = folders(recipe, tmp_path / "runs", file=str(arrays))
    assert "B is left out: --input table=... is not given" in capsys.readouterr().out
    make(folder)
    meta = folder.path / "meta.json"
    assert folder.path == tmp_path / "runs" / "mine" / "A" and meta.is_file()
    before = meta.stat().st_mtime_ns
    make(folder)
    assert meta.stat().st_mtime_ns == before
    arrays.rename(tmp_path / "moved.npz")
    (moved,) = folders(recipe, tmp_path / "runs", file=str(tmp_path / "moved.npz"))
    make(moved)  # the same content at another place
    np.savez(arrays, text=np.zeros((6, 2)), y=np.zeros(6))
    (other,) = folders(recipe, tmp_path / "runs", file=str(arrays))
    with pytest.raises(InputError, match=r"A was made of other inputs .* another --out"):
        make(other)


def test_commands_are_filled_in(recipe: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x")
    (folder,) = folders(recipe, tmp_path / "runs", table=str(table))
    words = ("python", "-m", "nothing", str(table), f"{folder.path}_work", "--jobs", "3")
    assert folder.commands == (words,)
    with pytest.raises(RunError, match="No module named nothing"):
        make(folder)


def test_what_is_given_wrongly_is_told(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes file, table"):
        folders(recipe, tmp_path, fil="x")
    with pytest.raises(InputError, match=r"needs --data, or --input file=...: the"):
        folders(recipe, tmp_path)


def test_a_row_starts_from_anothers_checkpoint_of_the_same_seed(
    recipe: Path, tmp_path: Path
) -> None:
    stores = [make_store(tmp_path / name, {"text": 3, "audio": 2}) for name in ("A", "B")]
    first, second = plan(load(str(recipe)), stores, seeds=2, out=tmp_path, more={})
    assert (first.row.name, second.row.name) == ("first", "second")
    assert [e.split for e in first.runs[0].evaluations] == ["valid"] and second.stage == 1
    for run, source in zip(second.runs, first.runs, strict=True):
        flags = dict(zip(run.flags[::2], run.flags[1::2], strict=True))
        assert flags["--init-from"] == str(source.folder / "checkpoint_best.pt")
        assert flags["--teacher"] == f"{stores[1]}_work/t"
