"""experiments --folds: each row tested once, the figures those of all rows together."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from mia_fairseq.errors import InputError
from mia_fairseq.experiments import __main__ as run_module
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.running.pooled_folds import pool
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.report import __main__ as report
from preprocess import import_arrays

ROWS, FOLDS = 36, (1, 2, 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 rows of 6 actors in 3 folds, three classes that the text tells well."""
    folder = tmp_path_factory.mktemp("folds")
    rng = np.random.default_rng(2)
    label = np.arange(ROWS) % 3
    content = {
        "text": rng.normal(size=(ROWS, 4)) + 3 * np.eye(4)[label],
        "audio": rng.normal(size=(ROWS, 3)),
        "label": np.array(["joy", "anger", "fear"])[label],
        "actor": np.array([f"actor{row // 6}" for row in range(ROWS)]),
        "fold": 1 + np.arange(ROWS) // 6 % 3,
    }
    np.savez(folder / "in.npz", **content)
    command = [str(folder / "in.npz"), "--modalities", "text", "audio", "--label", "label"]
    import_arrays.main([*command, "--fold", "fold", "--group", "actor", "--out", f"{folder}/DATA"])
    return folder / "DATA"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flags = {"main-modality": "text", "aux-modalities": "audio", "channels": 2, "batch-size": 8}
    content = {
        "claim": "The pooled rows are all rows.",
        "needs": "folds",
        "status": "runs here",
        "metric": "accuracy",
        "reference": "MIA-Net",
        "runs": {
            "MIA-Net": {"flags": flags},
            "text alone": {"flags": {**flags, "arch": "unimodal"}},
        },
    }
    path = tmp_path_factory.mktemp("experiment") / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_every_row_is_tested_once_and_pooled(
    data: Path, experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(experiment), "--data", str(data), "--out", str(tmp_path), "--seeds", "1"]
    command += ["--folds", "--max-epoch", "2"]
    run_module.main(command)
    assert "2 runs, of which 0 are finished" in capsys.readouterr().out
    pooled = next(tmp_path.glob("all/mia_net-*/seed1/test.json"))
    told = json.loads(pooled.read_text())
    with pooled.with_suffix(".tsv").open() as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    assert told["n"] == len({line["id"] for line in lines}) == ROWS
    truth, guess = ([line[name] for line in lines] for name in ("label", "prediction"))
    assert told["accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert told["uar"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert list(told["folds"]) == ["1", "2", "3"] and told["modalities"] == ["text", "audio"]
    for fold in FOLDS:
        own = [line for line in lines if line["fold"] == str(fold)]
        assert {line["group"] for line in own} == {f"actor{fold - 1}", f"actor{fold + 2}"}
        alone = pooled.parents[1] / f"fold{fold}" / "seed1"
        assert json.loads((alone / "run.json").read_text())["flags"][-2:] == ["--fold", str(fold)]
        hits = [line["label"] == line["prediction"] for line in own]
        assert told["folds"][str(fold)]["accuracy"] == pytest.approx(np.mean(hits))
    assert json.loads(pooled.with_name("valid.json").read_text())["n"] == ROWS
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("all/*/*/*/test.json")}
    run_module.main(command)
    assert "2 runs, of which 2 are finished" in capsys.readouterr().out
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps} and len(stamps) == 6
    report.main([str(tmp_path / "small"), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.md").read_text()
    assert re.search(r"its \d folds 0\.\d{3} to [01]\.\d{3}; intervals over its 6 groups", page)
    assert f"1 × n = {ROWS}" in page


def test_what_cannot_be_folded_is_told(data: Path, experiment: Path, tmp_path: Path) -> None:
    settings = {"seeds": 1, "out": tmp_path, "more": {}, "folds": True}
    with pytest.raises(InputError, match="table5 trains on one corpus and tests on others"):
        plan(load("table5"), [data], **settings)
    planned = plan(load(str(experiment)), [data], **settings)
    alone = plan(load(str(experiment)), [data], **{**settings, "folds": False})
    assert planned[0].runs[0].folds == FOLDS
    assert planned[0].runs[0].folder != alone[0].runs[0].folder
    assert not alone[0].runs[0].parts


def test_a_row_in_two_folds_is_told(data: Path, tmp_path: Path) -> None:
    for fold in FOLDS:
        (tmp_path / f"f{fold}").mkdir()
        (tmp_path / f"f{fold}" / "test.json").write_text("{}")
        (tmp_path / f"f{fold}" / "test.tsv").write_text("id\tlabel\tprediction\n0\t1\t1\n")
    with pytest.raises(InputError, match="a row stands in two folds"):
        pool({fold: tmp_path / f"f{fold}" / "test" for fold in FOLDS}, tmp_path / "test", data)
