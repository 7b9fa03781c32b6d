"""The RAVDESS recipe: its experiments can be planned, and clips and feature files become DATA."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from examples.recipes.ravdess import __main__ as recipe
from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.experiment import load
from mia_fairseq.experiments.plan import plan
from preprocess import import_arrays

MODALITIES = ("audio", "audio_last", "au", "fer", "text")


@pytest.mark.parametrize("file", sorted(recipe.HERE.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_experiment_of_the_recipe_is_planned_over_folds(file: Path, tmp_path: Path) -> None:
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
    planned = plan(chosen, [tmp_path / "DATA"], seeds=3, out=tmp_path, more={}, folds=True)
    assert len(planned) == len(chosen.rows) and chosen.metric == "accuracy"
    for entry in planned:
        used = {entry.row.flags["main-modality"], *entry.row.flags["aux-modalities"].split(",")}
        assert used <= set(MODALITIES)
        assert [run.folds for run in entry.runs] == [(0, 1, 2, 3, 4)] * 3


def test_clips_and_files_of_features_become_data(
    tmp_path: Path, stored_model: Callable[[str], Path]
) -> None:
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper")
    stored_model("whisper")
    stored_model("minilm")
    folder = tmp_path / "RAVDESS"
    folder.mkdir()
    with pytest.raises(InputError, match=r"has no openface_au_mean\.npz"):
        recipe.prepare(folder, tmp_path, "3", jobs=1, partial=True)
    rng = np.random.default_rng(1)
    ids = [f"01-{1 + actor % 8:02}-01-01-01-{actor:02}" for actor in range(1, 25)]
    for name in ids:
        with wave.open(str(folder / f"03-{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 8000, "NONE", ""))
            file.writeframes(rng.integers(-3000, 3000, 8000, dtype=np.int16).tobytes())
    offset = np.arange(25) * 2
    np.savez(folder / "openface_au_mean.npz", id=ids, au=rng.normal(size=(24, 35)))
    np.savez(folder / "fer_frames.npz", id=ids, offset=offset, prob=rng.random((48, 7)))
    data = recipe.prepare(folder, tmp_path / "out", "2", jobs=1, partial=True)
    store = FoldedStore(data, 4)
    assert store.splits == {"train": 15, "valid": 5, "test": 4} and store.corpus == "RAVDESS"
    assert store.modalities["audio"].extra["layer"] == 2
    test = store.split("test")
    assert {row.group for row in test.rows} == {f"actor{number:02}" for number in (1, 4, 9, 22)}
    assert test.features["fer"].lengths.tolist() == [2] * 4
    assert {test.features[name].lengths.max() for name in ("audio", "au", "text")} == {1}
