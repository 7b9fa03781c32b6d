"""The task through the command lines: training, evaluation, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import EMOTIONS, make_store, train, validate
from sklearn.metrics import mean_absolute_error

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.store import Store
from mia_fairseq.experiments.constant_baseline import constant_baseline
from mia_fairseq.experiments.summary_tables import summarize

DIMS = {"text": 12, "audio": 7, "video": 5}


def read_table(path: Path) -> dict[str, list[str]]:
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def test_evaluation_sees_each_row_once_whatever_the_batch(
    corpus: Path, checkpoint: Path, tmp_path: Path
) -> None:
    results = []
    for size in (1, 18, 23):
        out, table = tmp_path / f"{size}.json", tmp_path / f"{size}.tsv"
        flags = ("--batch-size", str(size), "--results-json", out, "--predictions", table)
        printed = validate(corpus, checkpoint, *flags).stdout
        results.append(json.loads(out.read_text()))
        assert results[-1]["n"] == 23 and "acc2_non0" in printed
        rows = read_table(table)
        assert rows["id"] == [f"test-{row}" for row in range(23)]
        truth, predicted = (np.array(rows[c], float) for c in ("label", "prediction"))
        assert results[-1]["mae"] == pytest.approx(mean_absolute_error(truth, predicted), abs=1e-6)
    keys = {"mae", "corr", "acc7", "acc5", "acc2_has0", "f1_has0", "acc2_non0", "f1_non0"}
    assert keys | {"n", "n_non0"} <= set(results[0])
    for other in results[1:]:
        assert all(results[0][key] == pytest.approx(other[key], abs=1e-6) for key in keys)


def test_training_prints_whole_split_metrics_of_validation(corpus: Path, tmp_path: Path) -> None:
    log = train(corpus, tmp_path, "--log-format", "json", "--max-epoch", "1").stdout
    line = next(line for line in log.splitlines() if '"valid_mae"' in line)
    logged = json.loads(line[line.index("{") :])
    out = tmp_path / "out.json"
    validate(
        corpus, tmp_path / "checkpoint_best.pt", "--valid-subset", "valid", "--results-json", out
    )
    results = json.loads(out.read_text())
    for name in ("mae", "corr", "acc7", "f1_non0", "n"):
        assert float(logged[f"valid_{name}"]) == pytest.approx(results[name], abs=1e-4), name
    joint = 0.7 * float(logged["valid_mae_loss"]) + 0.3 * float(logged["valid_krl"])
    assert float(logged["valid_loss"]) == pytest.approx(joint, abs=1e-4)


def test_scores_of_another_scale_have_no_figures_of_sentiment(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 3}, label=LabelSpec("regression", 1, 7))
    log = train(data, tmp_path, "--arch", "unimodal", "--max-epoch", "1").stdout
    out = tmp_path / "test.json"
    told = validate(data, tmp_path / "checkpoint_best.pt", "--results-json", out).stdout
    assert " | corr " in log and " | corr " in told
    assert not any(f" | {name}" in log + told for name in ("acc", "f1", "n_non0"))
    results = json.loads(out.read_text())
    assert {"n", "mae", "corr"} <= set(results)
    assert not any(name.startswith(("acc", "f1", "n_non0")) for name in results)
    constant = constant_baseline(Store(data))
    assert set(constant) == {"n", "mae", "corr"}
    table = summarize({"constant": [constant], "text": [results]})
    assert table.splitlines()[0] == "| model | seeds | n | mae | corr |"


def test_the_papers_settings_are_the_defaults(corpus: Path, tmp_path: Path) -> None:
    train(corpus, tmp_path, "--max-epoch", "1", "--lr", "1.7e-5")
    state = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    cfg = state["cfg"]
    assert cfg["optimizer"]["_name"] == "adam"
    assert cfg["dataset"]["batch_size"] == 18 and cfg["checkpoint"]["patience"] == 6
    assert cfg["criterion"]["gamma"] == 0.3 and cfg["model"]["channels"] == 1
    assert cfg["task"]["main_modality"] == "text"


def test_classes_are_trained_and_told_one_by_one(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", DIMS, label=EMOTIONS)
    weights = ("--class-weights", "balanced", "--max-epoch", "20", "--batch-size", "6")
    train(data, tmp_path, "--criterion", "ce_krl", *weights)
    out, table = tmp_path / "out.json", tmp_path / "out.tsv"
    flags = ("--results-json", out, "--predictions", table)
    validate(data, tmp_path / "checkpoint_best.pt", *flags)
    results = json.loads(out.read_text())
    assert list(results["f1"]) == ["neutral", "joy", "anger"] and results["n"] == 23
    assert np.sum(results["confusion"]) == 23 and results["accuracy"] > 0.5
    rows = read_table(table)
    shares = np.array([rows[f"p_{name}"] for name in EMOTIONS.names], float).T
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-4)
    assert [EMOTIONS.names[i] for i in shares.argmax(axis=1)] == rows["prediction"]


def test_where_predictions_cannot_be_written_there_are_no_results(
    corpus: Path, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    results = tmp_path / "out.json"
    for predictions, sentence in (
        (tmp_path, f"{tmp_path}: is a folder, expected the name of a file"),
        (tmp_path / "file" / "out.tsv", f"{tmp_path / 'file'} is no folder"),
    ):
        flags = ("--results-json", results, "--predictions", predictions)
        told = validate(corpus, checkpoint, *flags, check=False).stderr
        assert sentence in told and "Traceback" not in told
        assert not results.exists()


@pytest.mark.parametrize("count", [2, 4, 5])
def test_any_number_of_modalities_trains(tmp_path: Path, count: int) -> None:
    names = ["text", "audio", "video", "pulse", "gaze"][:count]
    data = make_store(tmp_path / "DATA", {name: 4 + i for i, name in enumerate(names)})
    log = train(
        data, tmp_path, "--aux-modalities", ",".join(names[:0:-1]), "--channels", "2"
    ).stdout
    assert "end of epoch 2" in log
    validate(data, tmp_path / "checkpoint_best.pt")


def test_missing_modalities_are_counted_and_work(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", DIMS, missing=0.4)
    for split in ("train", "valid", "test"):  # video is missing everywhere
        rows = len((data / f"{split}.video.lengths").read_text().split())
        (data / f"{split}.video.lengths").write_text("0\n" * rows)
    log = train(data, tmp_path, "--main-modality", "audio", "--aux-modalities", "text,video").stdout
    assert "train: video is missing for 60 rows" in log and "train: audio is missing for" in log
    validate(data, tmp_path / "checkpoint_best.pt")


REFUSED_IN_TRAINING = {
    "no such data": (("nowhere",), (), "nowhere: no meta.json here"),
    "unknown main": ((), ("--main-modality", "smell"), "no modality 'smell', it has text, audio"),
    "unknown auxiliary": ((), ("--aux-modalities", "smell"), "no modality 'smell'"),
    "main twice": ((), ("--aux-modalities", "text,audio"), "'text' is given twice"),
    "auxiliary twice": ((), ("--aux-modalities", "audio,audio"), "'audio' is given twice"),
    "no auxiliary": ((), ("--aux-modalities", ""), "use --arch unimodal"),
    "test for validation": ((), ("--valid-subset", "test"), "does not read the test split"),
    "no such split": ((), ("--valid-subset", "valid2"), "no split 'valid2'"),
    "results in training": ((), ("--results-json", "x.json"), "belong to fairseq-validate"),
    "wrong criterion": ((), ("--criterion", "ce_krl"), "use --criterion mae_krl"),
    "gamma of one": ((), ("--gamma", "1.0"), "--gamma is 1"),
    "not train": ((), ("--train-subset", "valid"), "--train-subset is 'valid', expected 'train'"),
    "small batches": ((), ("--max-tokens", "2"), "rows are longer than --max-tokens, and none is"),
    "no channels": ((), ("--channels", "0"), "--channels is 0"),
}


@pytest.mark.parametrize("case", REFUSED_IN_TRAINING)
def test_training_refuses_with_one_sentence(corpus: Path, tmp_path: Path, case: str) -> None:
    data, flags, words = REFUSED_IN_TRAINING[case]
    result = train(Path(data[0]) if data else corpus, tmp_path, *flags, check=False)
    assert result.returncode == 1
    assert words in result.stderr and "Traceback" not in result.stderr


def test_a_lost_row_fails_the_evaluation(corpus: Path, tmp_path: Path) -> None:
    result = train(
        corpus, tmp_path, "--max-valid-steps", "0", "--batch-size-valid", "4", check=False
    )
    assert result.returncode == 1 and "saw 4 of its 21 rows" in result.stderr


def test_results_of_two_splits_do_not_go_into_one_file(checkpoint: Path, corpus: Path) -> None:
    out = checkpoint.with_name("two.json")
    both = ("--valid-subset", "valid,test", "--results-json", out)
    told = validate(corpus, checkpoint, *both, check=False)
    assert told.returncode == 1 and "Traceback" not in told.stderr
    assert "--valid-subset names valid, test, and --results-json and --predictions" in told.stderr


def test_a_checkpoint_of_other_modalities_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    cases = {
        "has no modality 'video', which the checkpoint was trained on": {"text": 12, "audio": 7},
        "text has dim 9 (test), the checkpoint was trained on 12": {**DIMS, "text": 9},
    }
    for words, dims in cases.items():
        data = make_store(tmp_path / words[:8], dims)
        result = validate(data, checkpoint, check=False)
        assert result.returncode == 1 and words in result.stderr
        assert "Traceback" not in result.stderr


def test_a_checkpoint_of_other_labels_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", DIMS, label=EMOTIONS)
    result = validate(data, checkpoint, check=False)
    assert result.returncode == 1 and "evaluate on data with the same labels" in result.stderr


def test_checkpoints_load_without_free_unpickling(checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    assert state["task_state"]["schema"]["main"] == "text"
    assert "encoders.text.mean" in state["model"]
