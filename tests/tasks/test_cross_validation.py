"""--fold: what is trained and tested is what the folds say, and nothing else by accident."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from harness import run_cli, train, validate

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.predict.predictor import Predictor
from preprocess import import_arrays

FLAGS = ("--main-modality", "text", "--aux-modalities", "audio", "--seed", "3")
ONE = ("--max-epoch", "1", *FLAGS)
SPLITS = np.array((["train"] * 6 + ["valid"] * 2 + ["test"] * 2) * 4)


def write(folder: Path, name: str, **arrays: np.ndarray | None) -> Path:
    """40 rows of 8 actors in 4 folds, imported with folds, and with splits where they are given."""
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
    np.savez(folder / "in.npz", **{k: v for k, v in content.items() if v is not None})
    how = ["--fold", "fold", "--speaker", "actor"] if content["fold"] is not None else []
    how += ["--split", "split"] if "split" in arrays else []
    command = [str(folder / "in.npz"), "--modalities", "text", "audio", "--label", "label"]
    command += ["--group", "actor", "--id", "id", *how]
    import_arrays.main([*command, "--corpus", name, "--out", str(folder / name)])
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
        results = json.loads((tmp_path / "r.json").read_text())
        assert results["n"] == 10 and results["corpus"] == data.name and "trained_on" not in results
    assert tables[checkpoints[0]] == tables[checkpoints[1]]
    same = validate(folds, checkpoints[0], "--fold", "3")
    assert same.returncode == 0
    other = validate(folds, checkpoints[0], "--fold", "1", check=False)
    assert other.returncode != 0
    assert "the checkpoint was trained with --fold 3, this run has --fold 1" in other.stderr


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


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("folds"), "folds")


@pytest.fixture(scope="module")
def of_fold(folds: Path) -> dict[int, Path]:
    """Checkpoints of two folds of one corpus."""
    for fold in (1, 3):
        train(folds, folds.parent / str(fold), "--fold", str(fold), *ONE)
    return {fold: folds.parent / str(fold) / "checkpoint_last.pt" for fold in (1, 3)}


def refused(result) -> str:
    assert result.returncode == 1
    return result.stderr.splitlines()[-1]


def ids_in(table: Path) -> list[str]:
    return [line.split("\t")[0] for line in table.read_text().splitlines()[1:]]


def test_training_goes_on_in_its_own_fold_only(folds: Path, of_fold: dict, tmp_path: Path) -> None:
    shutil.copy(of_fold[3], tmp_path)
    last = tmp_path / "checkpoint_last.pt"
    other = train(folds, tmp_path, "--fold", "1", *FLAGS, check=False)
    assert f"{last} was trained with --fold 3, this run has --fold 1" in refused(other)
    assert "another --save-dir" in other.stderr
    assert last.read_bytes() == of_fold[3].read_bytes()
    train(folds, tmp_path, "--fold", "3", *FLAGS)
    assert last.read_bytes() != of_fold[3].read_bytes()


@pytest.mark.parametrize("flag", ["--init-from", "--finetune-from-model", "--restore-file"])
def test_training_starts_from_its_own_fold_only(
    folds: Path, of_fold: dict, tmp_path: Path, flag: str
) -> None:
    start = (flag, of_fold[3], *FLAGS)
    other = train(folds, tmp_path / "a", "--fold", "1", *start, check=False)
    assert f"{of_fold[3]} was trained with --fold 3, this run has --fold 1" in refused(other)
    assert not list((tmp_path / "a").glob("*.pt"))
    train(folds, tmp_path / "b", "--fold", "3", *start)


def test_what_another_corpus_began_with_is_remembered(
    folds: Path, of_fold: dict, tmp_path: Path
) -> None:
    """From fold 3 over another corpus to fold 1: the rows of fold 1 have been learnt."""
    between = write(tmp_path, "between", split=SPLITS)
    for start in ("--init-from", "--finetune-from-model"):
        train(between, tmp_path / start, start, of_fold[3], *ONE)
        begun = tmp_path / start / "checkpoint_last.pt"
        other = train(folds, tmp_path / "b", "--fold", "1", "--init-from", begun, *ONE, check=False)
        assert f"{begun} was trained with --fold 3" in refused(other)
        evaluated = validate(folds, begun, "--fold", "1", check=False)
        assert "the checkpoint was trained with --fold 3" in refused(evaluated)
        validate(folds, begun, "--predictions", tmp_path / "p.tsv")
        assert {int(name[1:]) // 5 % 4 for name in ids_in(tmp_path / "p.tsv")} == {3}


def test_models_of_several_folds_test_no_row_of_them(
    folds: Path, of_fold: dict, tmp_path: Path
) -> None:
    joined = f"{of_fold[3]}:{of_fold[1]}"
    for flags in ((), ("--fold", "3")):
        found = refused(validate(folds, joined, *flags, check=False))
        assert "was trained with --fold 1" in found
    with pytest.raises(InputError, match="with --fold 3 and with --fold 1"):
        list(Predictor(joined).predict_split(folds, "test"))
    other = write(tmp_path, "other", split=SPLITS)  # whose rows none of them has seen
    validate(other, joined, "--predictions", tmp_path / "p.tsv")
    assert len(ids_in(tmp_path / "p.tsv")) == 8
    assert len(list(Predictor(joined).predict_split(other, "test"))) == 8


@pytest.mark.parametrize("change", [{}, {"fold": None}])
def test_another_corpus_is_tested_as_its_own_tables_say(
    of_fold: dict, tmp_path: Path, change: dict
) -> None:
    other = write(tmp_path, "other", split=SPLITS, **change)
    files = ("--predictions", tmp_path / "p.tsv", "--results-json", tmp_path / "r.json")
    validate(other, of_fold[1], *files)
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["n"] == 8
    assert results["corpus"] == "other" and results["trained_on"] == "folds"
    expected = [f"r{row}" for row in np.flatnonzero(SPLITS == "test")]
    assert ids_in(tmp_path / "p.tsv") == expected
    assert [one.id for one in Predictor(of_fold[1]).predict_split(other, "test")] == expected
    if not change:
        validate(other, of_fold[1], "--fold", "2", *files)
        assert {int(name[1:]) // 5 % 4 for name in ids_in(tmp_path / "p.tsv")} == {2}


def test_prediction_divides_rows_as_validation_does(tmp_path: Path) -> None:
    data = write(tmp_path, "both", split=SPLITS)
    train(data, tmp_path / "a", "--fold", "1", *ONE)
    checkpoint = tmp_path / "a" / "checkpoint_last.pt"
    validate(data, checkpoint, "--predictions", tmp_path / "p.tsv")
    run_cli("python", "-m", "mia_fairseq.export", checkpoint, "--out", tmp_path / "out")
    for model in (checkpoint, tmp_path / "out"):
        found = [one.id for one in Predictor(model).predict_split(data, "test")]
        assert found == ids_in(tmp_path / "p.tsv")
        assert {int(name[1:]) // 5 % 4 for name in found} == {1}
    model = Predictor(checkpoint)
    with pytest.raises(InputError, match="no split 'all', it has train, valid, test; name one by"):
        next(model.predict_split(data, "all"))
    (tmp_path / "new").mkdir()
    new = write(tmp_path / "new", "both", fold=None, split=SPLITS)
    with pytest.raises(InputError, match=r"called 'both'.*no folds.*another --corpus"):
        next(model.predict_split(new, "test"))
