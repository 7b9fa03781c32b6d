"""Further labels: CH-SIMS's a modality, CMU-MOSEI's emotions, and columns of one's own."""

import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from harness import touch

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from preprocess import binarize, import_arrays, import_mmsa
from preprocess.corpora import folder, mosei
from preprocess.tables.manifest import read_manifest

SIX = ("happy", "sad", "anger", "surprise", "disgust", "fear")


def sims(**changes: object) -> dict[str, object]:
    rng = np.random.default_rng(0)
    return {
        "raw_text": ["a", "b", "c"],
        "text": rng.normal(size=(3, 4, 6)),
        "audio": rng.normal(size=(3, 4, 5)),
        "vision": rng.normal(size=(3, 4, 3)),
        "id": ["v$_$0", "v$_$1", "w$_$0"],
        "regression_labels": np.array([-1.0, 0.2, 0.8], np.float32),
        "regression_labels_T": np.array([-0.8, 0.0, 1.0], np.float32),
        "regression_labels_A": np.array([0.2, -0.2, 0.4], np.float32),
        "regression_labels_V": np.array([0.0, 0.6, -0.4], np.float32),
        **changes,
    }


def imported(tmp_path: Path, *flags: str, **changes: object) -> Store:
    touch(tmp_path / "in.pkl").write_bytes(pickle.dumps({"train": sims(**changes)}))
    import_mmsa.main([str(tmp_path / "in.pkl"), "--out", str(tmp_path / "DATA"), *flags])
    return Store(tmp_path / "DATA")


def test_simss_labels_of_each_modality_and_its_range(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        store = imported(tmp_path)
    assert "CH-SIMS's range" in caplog.text
    assert (store.label.minimum, store.label.maximum) == (-1, 1)
    assert list(store.further_labels) == ["text", "audio", "video"]
    assert all(spec == store.label for spec in store.further_labels.values())
    rows = store.split("train").rows
    assert np.allclose(rows.further["text"], [-0.8, 0.0, 1.0], atol=1e-6)
    assert rows[1].further == pytest.approx({"text": 0.0, "audio": -0.2, "video": 0.6}, abs=1e-6)


def test_a_given_range_and_labels_beyond_1_are_not_simss(tmp_path: Path) -> None:
    store = imported(tmp_path / "a", "--label-range", "-2", "2")
    assert (store.label.minimum, store.label.maximum) == (-2, 2)
    store = imported(tmp_path / "b", regression_labels=np.array([-1.0, 0.2, 2.8]))
    assert (store.label.minimum, store.label.maximum) == (-3, 3)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two videos, with the seven columns that the SDK's labels have."""
    h5py = pytest.importorskip("h5py")
    raw = tmp_path / "MOSEI"
    touch(raw / "Transcript/v.txt", "v___0___0.0___2.5___hello\nv___1___5.0___9.0___bye\n")
    touch(raw / "Transcript/w.txt", "w___0___1.0___2.0___words\n")
    folds = "standard_train_fold=['v']\nstandard_valid_fold=['w']\nstandard_test_fold=[]\n"
    touch(raw / "cmu_mosei_std_folds.py", folds)
    with h5py.File(raw / "CMU_MOSEI_Labels.csd", "w") as file:
        for video, scores, times in (
            ("v", [[1.5, 2, 0, 0, 1 / 3, 0, 0], [-1, 0, 0, 0, 0, 0, 0]], [[0, 2.5], [5, 9]]),
            ("w", [[0, 0, 0, 0, 0, 0, 3]], [[1, 2]]),
        ):
            group = file.create_group(f"All Labels/data/{video}")
            group["features"], group["intervals"] = np.array(scores), np.array(times, float)
    return raw


def features_of(manifest: Path) -> Path:
    for row in read_manifest(manifest).rows:
        path = manifest.parent / "features/text" / f"{row.id}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.ones((2, 3), np.float32))
    return manifest.parent / "features"


def data_of(release: Path, told: str, *flags: str) -> Store:
    out = release.parent / f"{told}.tsv"
    mosei.main([str(release), "--out", str(out), "--partial", "--target", told])
    data = release.parent / f"DATA_{told}"
    binarize.main([str(out), "--features", str(features_of(out)), "--out", str(data), *flags])
    return Store(data)


def test_moseis_sentiment_emotions_or_both(release: Path) -> None:
    store = data_of(release, "sentiment")
    assert store.split("train").labels.tolist() == [1.5, -1.0] and not store.further_labels
    store = data_of(release, "emotions", "--multilabel", *SIX)
    assert store.label.kind == "multilabel" and store.label.names == SIX
    assert [store.label.format(row.label) for row in store.split("train").rows] == [
        "happy+surprise",
        "-",
    ]
    store = data_of(release, "both")
    assert store.label.kind == "regression"
    emotions = store.further_labels["emotions"]
    assert emotions.kind == "multilabel" and emotions.names == SIX
    assert store.split("valid").rows.further["emotions"].tolist() == [32.0]  # fear, the sixth
    assert "\nv_0\t1.5\thello\tv\t0\thappy+surprise\n" in (store.path / "train.tsv").read_text()


def test_emotions_are_asked_of_labels_that_have_none(tmp_path: Path) -> None:
    touch(tmp_path / "R/label.csv", "video_id,clip_id,text,label,mode\nv,1,A,1,train\n")
    with pytest.raises(InputError, match="has no emotions"):
        mosei.main([str(tmp_path / "R"), "--out", str(tmp_path / "m.tsv"), "--target", "both"])


def test_columns_of_ones_own_and_cells_that_are_not_known(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for name in "abc":
        touch(clips / f"{name}.wav")
    table = touch(
        tmp_path / "t.csv",
        "id,label,split,label.tone,label.mood,group\na,1,train,0.5,calm,g\nb,2,train,,tense,g\nc,0,valid,-1,,h\n",
    )
    out = tmp_path / "m.tsv"
    folder.main([str(clips), "--table", str(table), "--out", str(out)])
    data = tmp_path / "DATA"
    binarize.main([str(out), "--features", str(features_of(out)), "--out", str(data)])
    store = Store(data)
    assert store.further_labels["tone"].kind == "regression"
    assert store.further_labels["mood"].names == ("calm", "tense")
    rows = store.split("train").rows
    assert rows.further["tone"][0] == 0.5 and np.isnan(rows.further["tone"][1])
    assert np.isnan(store.split("valid").rows.further["mood"]).all()


def test_arrays_of_further_labels(tmp_path: Path) -> None:
    arrays = {"text": np.ones((3, 2)), "y": [1.0, 2.0, 0.0], "tone": [0.5, -0.5, 1.0]}
    np.savez(tmp_path / "in.npz", split=["train", "train", "valid"], **arrays)
    command = [str(tmp_path / "in.npz"), "--modalities", "text", "--label", "y", "--split", "split"]
    out = ["--out", str(tmp_path / "DATA")]
    import_arrays.main([*command, "--further-label", "text=tone", *out])
    assert Store(tmp_path / "DATA").split("train").rows.further["text"].tolist() == [0.5, -0.5]
    meta = json.loads((tmp_path / "DATA/meta.json").read_text())
    assert meta["further_labels"] == {"text": {"kind": "regression", "min": -3.0, "max": 3.0}}
    with pytest.raises(InputError, match="tune"):
        import_arrays.main([*command, "--further-label", "text=tune", *out])


def test_a_further_label_out_of_range_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"further label 'audio', row 'v\$_\$1': label '7'"):
        imported(tmp_path, regression_labels_A=np.array([0.0, 7.0, 0.0]))
