"""The row that a model must beat: over folds, beside carried models, and its columns."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness import EMOTIONS, make_store
from sklearn.metrics import f1_score

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.experiments.constant_baseline import constant_baseline
from mia_fairseq.experiments.index_file import write_results
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.running.training_run import Run
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.experiments.summary_tables import SIMS_COLUMNS, columns_of

FOLDS = {0: (1.0, 0.5), 1: (-0.5, -1.0), 2: (0.0, 0.2)}  # fold -> its labels


def test_over_folds_every_row_is_measured_by_its_own_training_rows(tmp_path: Path) -> None:
    label = LabelSpec("regression", -1.0, 1.0)
    settings = {"modalities": {"text": ModalitySpec(2)}, "further": ("fold",)}
    with StoreWriter(tmp_path / "DATA", corpus="CH-SIMS", label=label, **settings) as data:
        for fold, scores in FOLDS.items():
            for score in scores:
                row = Utterance(f"{fold}{score}", score, fold=fold)
                data.add("train", row, {"text": np.ones((1, 2))})
    found = constant_baseline(FoldedStore(tmp_path / "DATA"))
    # Fold 0 is tested with 1 as validation and 2 as training, and so on round.
    errors = [
        abs(score - np.mean(FOLDS[(fold + 2) % 3])) for fold in FOLDS for score in FOLDS[fold]
    ]
    assert found["n"] == 6 and found["mae"] == pytest.approx(np.mean(errors))
    assert columns_of(found) == SIMS_COLUMNS and found["sims_acc2"] == pytest.approx(3 / 6)


def test_it_answers_each_kind_of_label(tmp_path: Path) -> None:
    classes = Store(make_store(tmp_path / "C", {"text": 2}, label=EMOTIONS))
    train, valid = (classes.split(name, ()).labels for name in ("train", "valid"))
    most = np.bincount(train.astype(int)).argmax()
    found = constant_baseline(classes, "valid")
    assert found["n"] == len(valid) and found["accuracy"] == np.mean(valid == most)
    guess = np.full(len(valid), most)
    assert found["weighted_f1"] == pytest.approx(f1_score(valid, guess, average="weighted"))
    same = LabelSpec("regression", 0.0, 1e-9)
    assert (
        constant_baseline(Store(make_store(tmp_path / "S", {"text": 2}, label=same)))["corr"]
        is None
    )  # undefined, as JSON holds it
    several = LabelSpec("multilabel", names=("joy", "fear"))
    rows = {"train": (3, 1, 1), "test": (1, 2)}  # joy always, fear seldom
    with StoreWriter(
        tmp_path / "M", corpus="M", label=several, modalities={"text": ModalitySpec(2)}
    ) as data:
        for split, values in rows.items():
            for place, value in enumerate(values):
                row = Utterance(f"{split}{place}", float(value))
                data.add(split, row, {"text": np.ones((1, 2))})
    found = constant_baseline(Store(tmp_path / "M"))
    assert found["exact_match"] == 0.5 and found["by_label"]["joy"]["accuracy"] == 0.5


def test_a_table_of_carried_models_has_the_constant_of_its_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever model stands first in it."""
    stores = [make_store(tmp_path / n, {"text": 3, "audio": 2}, seed=ord(n)) for n in "AB"]
    chosen = replace(load("table5"), constant=True)
    planned = plan(chosen, stores, seeds=1, out=tmp_path, more={})
    monkeypatch.setattr(Run, "finished", True)
    monkeypatch.setattr(Run, "results", lambda *_: {"n": 23, "mae": 1.0})
    for file in write_results(chosen, planned, tmp_path)[:2]:
        constant = constant_baseline(Store(tmp_path / file.stem))
        assert json.loads(file.read_text())["constant"] == [constant]
