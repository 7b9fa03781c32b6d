"""experiments --folds: each row tested once, the figures those of all rows together."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from harness import touch
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from mia_fairseq.experiments import __main__ as run_module
from mia_fairseq.experiments import runner
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.running.pooled_folds import pool, pooled_metrics
from mia_fairseq.experiments.running.training_run import Evaluation, Run
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.meter import BatchRows, WholeSplitMeter
from mia_fairseq.metrics import regression_metrics, sims_metrics
from mia_fairseq.report import __main__ as report
from mia_fairseq.report.evaluation_files import read_results
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


@pytest.fixture(scope="module")
def sims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 rows in three folds of 10, 20 and 30, scored in CH-SIMS's range, of two corpora."""
    folder = tmp_path_factory.mktemp("sims") / "DATA"
    rng = np.random.default_rng(0)
    names = {"modalities": {"text": ModalitySpec(2)}, "further": ("fold", "corpus")}
    with StoreWriter(folder, corpus="x", label=LabelSpec("regression", -1.0, 1.0), **names) as data:
        for row in range(60):
            score, fold = round(float(rng.uniform(-1, 1)), 1), int(row >= 10) + int(row >= 30)
            about = {"group": f"g{row // 5}", "fold": fold, "corpus": "AB"[row % 2]}
            data.add("train", Utterance(str(row), score, **about), {"text": np.ones((1, 2))})
    return folder


def test_all_that_is_pooled_is_of_all_rows(sims: Path, tmp_path: Path) -> None:
    """Not of the first fold's: CH-SIMS's figures, each corpus's, and what a fusion tells."""
    rng, gates, scores, truth, parts = np.random.default_rng(1), (0.1, 0.5, 0.9), [], [], {}
    for fold, gate in enumerate(gates):
        split = FoldedStore(sims, fold).split("test", ())
        meter = WholeSplitMeter(split, split.store.label)
        given = (split.labels + fold * rng.normal(size=len(split))).astype(np.float32)
        own = {"gate": np.full((len(split), 1), gate, np.float32)}
        meter.add(BatchRows("test", np.arange(len(split)), given, parts=own))
        about = {"corpus": "x", "modalities": ["text"], "drop": ["audio"], "further": {"of": fold}}
        parts[fold] = tmp_path / f"f{fold}"
        meter.write_results(f"{parts[fold]}.json", {**about, "parts": meter.part_means()})
        meter.write_predictions(f"{parts[fold]}.tsv")
        scores, truth = [*scores, *given.astype(float)], [*truth, *split.labels]
    pool(parts, tmp_path / "test", sims)
    told = read_results(tmp_path / "test.json")
    expected = {**sims_metrics(scores, truth), **regression_metrics(scores, truth)}
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    assert told["parts"] == {"gate": [pytest.approx((0.1 * 10 + 0.5 * 20 + 0.9 * 30) / 60)]}
    for place, corpus in enumerate("AB"):
        of_it = sims_metrics(scores[place::2], truth[place::2])
        assert told["corpora"][corpus]["n"] == 30
        assert told["corpora"][corpus]["sims_acc3"] == pytest.approx(of_it["sims_acc3"])
    assert told["drop"] == ["audio"] and "further" not in told
    for fold in range(3):
        own = told["folds"][str(fold)]
        assert own["further"] == {"of": fold} and "sims_acc2" in own and "drop" not in own


def test_what_a_kill_while_pooling_leaves_is_not_taken_for_the_new_figures(
    sims: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    old, new = (Evaluation("noisy", "test", ("--noise", f"text={by}")) for by in (0.5, 2.0))
    run = Run("row", sims, (), 1, tmp_path, (old,), folds=(0, 1, 2))
    monkeypatch.setattr(runner, "pool", lambda _, out, __: touch(out.with_suffix(".json"), "{}"))
    monkeypatch.setattr(runner.provenance, "made_by", dict)
    monkeypatch.setattr(runner, "_call_forked", lambda *_: None)
    runner.execute(run)
    assert run.finished
    changed = replace(run, evaluations=(new,))
    monkeypatch.setattr(runner, "pool", killed)
    with pytest.raises(KeyboardInterrupt):
        runner.execute(changed)
    assert not changed.finished


def test_pooled_scores_of_another_scale_have_no_figures_of_sentiment() -> None:
    lines = [{"id": y, "label": y, "prediction": "4.5"} for y in ("2", "7")]
    told = pooled_metrics(lines, LabelSpec("regression", 1, 7))
    assert told == {"n": 2, "mae": 2.5, "corr": None}
    assert "acc7" in pooled_metrics(lines)  # of a table whose range nobody knows
