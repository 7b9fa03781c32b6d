"""Whole videos of MOSEI: files joined, folds drawn, and the ridge regression beside the fusions."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from examples.recipes.mosei_video import join_files, ridge
from mia_fairseq.errors import InputError


def write(path: Path, rows: int, **changes: np.ndarray) -> Path:
    rng = np.random.default_rng(rows)
    names = {ridge.TEXT: 6, ridge.AUDIO: 3, ridge.VIDEO: 2}
    arrays = {name: rng.normal(size=(rows, dim)) for name, dim in names.items()}
    arrays["label"] = arrays[ridge.TEXT][:, 0] * 0.2 + 0.05 * rng.normal(size=rows)
    np.savez(path, **{**arrays, **changes})
    return path


def test_files_are_joined_and_folds_are_equal_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = np.ones((20, 3))
    odd[4, 1] = -np.inf
    files = [write(tmp_path / "a.npz", 20, **{ridge.AUDIO: odd}), write(tmp_path / "b.npz", 31)]
    out = tmp_path / "rows.npz"
    join_files.main([*map(str, files), "--seed", "3", "--out", str(out)])
    with np.load(out) as made, np.load(files[1]) as second:
        assert made[ridge.AUDIO][4].tolist() == [1, 0, 1]
        assert np.array_equal(made["label"][20:], second["label"])
        assert np.bincount(made["fold"]).tolist() == [11, 10, 10, 10, 10]
        assert len(set(made["id"])) == 51 and made["id"][20] == "b-0"
    ridge.main([str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(ridge.SETS) and lines[2].startswith("| constant | 51 |")
    assert lines[2].endswith("| – |")


def test_files_of_other_arrays_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", label=np.ones(3))
    with pytest.raises(InputError, match=r"b\.npz: has the arrays label, expected text_bert_cls"):
        join_files.joined([write(tmp_path / "a.npz", 5), tmp_path / "b.npz"])
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        join_files.joined([tmp_path / "none.npz"])


@pytest.mark.parametrize("strength", [0.5, 20.0])
def test_ridge_is_scikit_learns(strength: float) -> None:
    rng = np.random.default_rng(0)
    features, truth = rng.normal(size=(30, 50)), rng.normal(size=30)
    features -= features.mean(axis=0)
    expected = Ridge(alpha=strength).fit(features, truth)
    assert np.allclose(ridge.ridge(features, truth, strength), expected.coef_)


def test_no_row_is_predicted_by_a_model_that_saw_it() -> None:
    rng = np.random.default_rng(1)
    features, truth, fold = rng.normal(size=(40, 60)), rng.normal(size=40), np.arange(40) % 5
    before = ridge.cross_validated(features, truth, fold)
    changed = truth + np.where(fold == 2, 100.0, 0.0)
    after = ridge.cross_validated(features, changed, fold)
    # Rows of fold 2 are valid where fold 1 is tested, so the strength may change there alone.
    assert np.array_equal(before[fold == 2], after[fold == 2])
