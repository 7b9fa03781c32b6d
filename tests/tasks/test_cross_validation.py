"""--fold: what is trained and tested is what the folds say, and nothing else by accident."""

import json
from pathlib import Path

import numpy as np
import pytest
from harness import train, validate

from mia_fairseq.data.format.store import Store
from preprocess import import_arrays

FLAGS = ("--main-modality", "text", "--aux-modalities", "audio", "--seed", "3")


def write(folder: Path, name: str, **arrays: np.ndarray) -> Path:
    """40 rows of 8 actors in 4 folds, imported with folds, or with splits where they are given."""
    rng = np.random.default_rng(1)
    label = np.round(rng.uniform(-3, 3, 40), 1)
    actor = np.array([f"actor{row // 5}" for row in range(40)])
    content = {
        "text": rng.normal(size=(40, 5)) + label[:, None],
        "audio": rng.normal(size=(40, 3)),
        "label": label,
        "actor": actor,
        "fold": np.arange(40) // 5 % 4,
        "id": np.array([f"r{row}" for row in range(40)]),
        **arrays,
    }
    np.savez(folder / "in.npz", **content)
    how = ["--split", "split"] if "split" in arrays else ["--fold", "fold", "--speaker", "actor"]
    command = [str(folder / "in.npz"), "--modalities", "text", "audio", "--label", "label"]
    command += ["--group", "actor", "--id", "id", *how, "--out", str(folder / name)]
    import_arrays.main(command)
    return folder / name


def test_a_fold_trains_and_tests_as_the_same_split_on_disk(tmp_path: Path) -> None:
    folds = write(tmp_path, "folds")
    assert Store(folds).splits == {"all": 40}
    assert Store(folds).split("all").rows[7].speaker == "actor1"
    roles = np.array(["valid", "train", "train", "test"])[np.arange(40) // 5 % 4]
    plain = write(tmp_path, "plain", split=roles)
    train(folds, tmp_path / "a", "--fold", "3", *FLAGS)
    train(plain, tmp_path / "b", *FLAGS)
    checkpoints = [tmp_path / name / "checkpoint_best.pt" for name in "ab"]
    tables = {}
    for data, checkpoint in ((folds, checkpoints[0]), (plain, checkpoints[1])):
        out = checkpoint.with_suffix(".tsv")
        validate(data, checkpoint, "--predictions", out, "--results-json", tmp_path / "r.json")
        tables[checkpoint] = out.read_text()
        assert json.loads((tmp_path / "r.json").read_text())["n"] == 10
    assert tables[checkpoints[0]] == tables[checkpoints[1]]
    same = validate(folds, checkpoints[0], "--fold", "3")
    assert same.returncode == 0
    other = validate(folds, checkpoints[0], "--fold", "1", check=False)
    assert other.returncode != 0
    assert "--fold is 1, the checkpoint was trained with --fold 3" in other.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fold": np.array(["x"] * 40)}, "row 'r0' has fold .*'x'.*expected a whole number"),
        ({"fold": np.arange(40) % 4}, "group 'actor0' lies in the folds 0 and 1"),
    ],
)
def test_folds_that_cannot_be_are_told(tmp_path: Path, change: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        data = write(tmp_path, "DATA", **change)
        result = train(data, tmp_path / "c", "--fold", "0", *FLAGS, check=False)
        assert result.returncode != 0
        raise ValueError(result.stderr[-2000:].replace("\n", " "))
