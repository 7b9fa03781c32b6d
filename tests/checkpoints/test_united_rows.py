"""A model of a part is tested in a whole, and one of a whole in a part, on rows it never learnt."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from harness import train, validate

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.predict.predictor import Predictor
from preprocess import import_arrays, unite

ROWS = 24
FOLD = np.arange(ROWS) // 4 % 3
SPLIT = np.array((["train"] * 4 + ["valid", "test"]) * 4)
FLAGS = ("--main-modality", "text", "--aux-modalities", "", "--arch", "unimodal")


def write(folder: Path, name: str) -> Path:
    """24 rows in 3 folds, and in splits that cross them."""
    rng = np.random.default_rng(len(name))
    ids, label = np.array([f"r{row}" for row in range(ROWS)]), np.linspace(-3, 3, ROWS)
    text = rng.normal(size=(ROWS, 4)) + label[:, None]
    np.savez(folder / "in.npz", text=text, label=label, id=ids, fold=FOLD, split=SPLIT)
    command = [str(folder / "in.npz"), "--modalities", "text", "--label", "label", "--id", "id"]
    command += ["--fold", "fold", "--split", "split", "--label-range", "-3", "3"]
    import_arrays.main([*command, "--corpus", name, "--out", str(folder / name)])
    return folder / name


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of the parts A and B: named by them or not, divided by a fold or not; and the parts."""
    folder = tmp_path_factory.mktemp("wholes")
    parts = {name: write(folder, name) for name in ("A", "B")}
    made = {"kept": (), "named": ("--corpus", "ALL")}
    made |= {f"fold{fold}": ("--corpus", "ALL", "--fold", str(fold)) for fold in (1, 2)}
    for name, flags in made.items():
        folders = map(str, parts.values())
        unite.main([*folders, "--out", str(folder / name), *flags])
    return {**parts, **{name: folder / name for name in made}}


def trained(data: Path, out: Path, *flags: str) -> Path:
    train(data, out, *FLAGS, "--max-epoch", "1", *flags)
    return out / "checkpoint_last.pt"


def folds_tested(data: Path, model: Path, out: Path) -> set[int]:
    """The folds of the rows that are tested, by validation and by prediction alike."""
    validate(data, model, "--predictions", out)
    with out.open() as lines:
        found = [row["id"] for row in csv.DictReader(lines, delimiter="\t")]
    assert [one.id for one in Predictor(model).predict_split(data, "test")] == found
    return {int(FOLD[int(name.split("r")[-1])]) for name in found}


def test_a_part_with_a_fold_is_tested_in_a_whole_as_it_was_trained(
    wholes: dict[str, Path], tmp_path: Path
) -> None:
    model = trained(wholes["A"], tmp_path / "model", "--fold", "1")
    for name in ("kept", "named", "fold1"):
        assert folds_tested(wholes[name], model, tmp_path / "out.tsv") == {1}, name
    refused = validate(wholes["fold2"], model, check=False)
    assert refused.returncode != 0 and "unite" in refused.stderr and "--fold 1" in refused.stderr
    assert "Traceback" not in refused.stderr
    with pytest.raises(InputError, match=r"unite.*--fold 1"):
        list(Predictor(model).predict_split(wholes["fold2"], "test"))


def test_a_whole_that_was_divided_when_it_was_made_is_tested_so_in_its_parts(
    wholes: dict[str, Path], tmp_path: Path
) -> None:
    model = trained(wholes["fold1"], tmp_path / "model")
    assert folds_tested(wholes["A"], model, tmp_path / "out.tsv") == {1}
    assert folds_tested(wholes["fold1"], model, tmp_path / "out.tsv") == {1}
    other = validate(wholes["B"], model, "--fold", "2", check=False)
    assert "was trained with --fold 1, this run has --fold 2" in other.stderr
    begun = train(wholes["fold2"], tmp_path / "b", *FLAGS, "--init-from", str(model), check=False)
    assert "may have been trained on the rows that are tested" in begun.stderr


def test_a_whole_under_a_name_of_its_own_is_divided_in_its_parts_too(
    wholes: dict[str, Path], tmp_path: Path
) -> None:
    model = trained(wholes["named"], tmp_path / "model", "--fold", "2")
    for name in ("A", "B", "kept", "named", "fold2"):
        assert folds_tested(wholes[name], model, tmp_path / "out.tsv") == {2}, name


def test_data_tells_what_it_was_united_of(wholes: dict[str, Path], tmp_path: Path) -> None:
    assert Store(wholes["A"]).united == {}
    assert Store(wholes["named"]).united == {"A": None, "B": None}
    assert Store(wholes["fold2"]).united == {"A": 2, "B": 2}
    third = write(tmp_path, "third")
    unite.main([str(wholes["fold2"]), str(third), "--out", str(tmp_path / "C")])
    assert Store(tmp_path / "C").united == {"A": 2, "B": 2, "third": None}


def test_a_part_stands_in_a_whole_once(wholes: dict[str, Path], tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    with pytest.raises(InputError, match="'A' is in two of them"):
        unite.main([str(wholes["named"]), str(wholes["A"]), *out])
    with pytest.raises(InputError, match="--corpus A is the name of a part"):
        unite.main([str(wholes["A"]), str(wholes["B"]), "--corpus", "A", *out])


@pytest.mark.parametrize("united", [["A", "B"], {"A": "1"}, {"A": -1}, {"A": True}])
def test_parts_of_other_types_are_told(
    wholes: dict[str, Path], tmp_path: Path, united: object
) -> None:
    meta = json.loads((wholes["named"] / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps({**meta, "united": united}))
    with pytest.raises(InputError, match=r"meta\.json: united is .* expected"):
        Store(tmp_path)
