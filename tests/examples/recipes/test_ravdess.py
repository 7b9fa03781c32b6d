"""The RAVDESS recipes: from clips and feature files to a table that tests each clip once."""

import json
import wave
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.specification.experiment import load
from preprocess import import_arrays

MODALITIES = ("audio", "audio_last", "au", "fer", "text")
FILES = sorted((ROOT / "examples" / "recipes").rglob("ravdess*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_an_experiment_is_planned_over_folds(file: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(24, 3)) for name in MODALITIES}
    labels = np.array(["calm", "sad"] * 12)
    np.savez(tmp_path / "in.npz", **arrays, label=labels, fold=np.arange(24) % 5)
    import_arrays.main(
        [
            *(str(tmp_path / "in.npz"), "--modalities", *MODALITIES, "--label", "label"),
            *("--fold", "fold", "--out", str(tmp_path / "DATA")),
        ]
    )
    chosen = load(str(file))
    assert chosen.folds and chosen.metric == "accuracy" and chosen.seeds == 3
    planned = plan(chosen, [tmp_path / "DATA"], seeds=3, out=tmp_path, more={}, folds=True)
    assert len(planned) == len(chosen.rows)
    for entry in planned:
        flags = dict(pairwise(entry.runs[0].flags))
        used = {flags["--main-modality"], *flags["--aux-modalities"].split(",")}
        assert used <= set(MODALITIES)
        assert [run.folds for run in entry.runs] == [(0, 1, 2, 3, 4)] * 3


def test_clips_and_files_of_features_become_a_table(
    tmp_path: Path, stored_model: Callable[[str], Path], run_recipe: Callable[..., Path]
) -> None:
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper")
    stored_model("whisper")
    stored_model("minilm")
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(1)
    ids = [f"01-{1 + actor % 8:02}-01-01-01-{actor:02}" for actor in range(1, 25)]
    for name in ids:
        with wave.open(str(folder / f"03-{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 8000, "NONE", ""))
            file.writeframes(rng.integers(-3000, 3000, 8000, dtype=np.int16).tobytes())
    offset = np.arange(25) * 2
    np.savez(folder / "openface_au_mean.npz", id=ids, au=rng.normal(size=(24, 35)))
    np.savez(folder / "fer_frames.npz", id=ids, offset=offset, prob=rng.random((48, 7)))
    made = run_recipe("ravdess", "--rows", "au alone", clips=folder, layer="2")
    store = FoldedStore(made / "RAVDESS", 4)
    assert store.splits == {"train": 15, "valid": 5, "test": 4} and store.corpus == "RAVDESS"
    assert store.modalities["audio"].extra["layer"] == 2
    test = store.split("test")
    assert {row.group for row in test.rows} == {f"actor{number:02}" for number in (1, 4, 9, 22)}
    assert test.features["fer"].lengths.tolist() == [2] * 4
    assert {test.features[name].lengths.max() for name in ("audio", "au", "text")} == {1}
    pooled = next((tmp_path / "runs").glob("all/*/seed1/test.json"))
    assert json.loads(pooled.read_text())["n"] == 24
