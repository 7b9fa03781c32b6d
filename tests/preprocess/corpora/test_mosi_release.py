"""bc-LSTM's release of CMU-MOSI's features, joined with the scores of another table."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.corpora.mosi_release import MODALITIES, main

NAMES = ("v1_1", "v1_10", "v1_2", "v2_1", "v-_3_1")  # as text sorts them, the release's order
SPLIT = ("train", "train", "train", "test", "test")
SCORES = (1.4, -0.8, 0.0, 2.0, -3.0)
DIMS = {"text": 3, "audio": 2, "video": 4}


def write(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """As the release is: every cell in quotation marks, and a blank line first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        file.write("\n")
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)


def write_release(folder: Path, arrays: dict[str, Any], order: Sequence[int]) -> None:
    """The files of bc-LSTM/data, whose transcripts stand in this order of the arrays' rows."""
    positive = ["1" if score >= 0 else "0" for score in arrays["label"]]
    transcripts = [
        (arrays["id"][row], arrays["transcript"][row], "7", positive[row]) for row in order
    ]
    write(folder / "transcripts.csv", transcripts)
    for split in ("train", "test"):
        lines = [line for line, row in enumerate(order) if arrays["split_bclstm"][row] == split]
        rows = [order[line] for line in lines]
        write(
            folder / f"text_{split}.csv", [(line, *arrays["text"][order[line]]) for line in lines]
        )
        for name in MODALITIES:
            cells = [(*map(float, arrays[name][row]), positive[row]) for row in rows]
            write(folder / name / f"{name}_{split}0.csv", cells)


@pytest.fixture
def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "id": np.array(NAMES),
        "split_bclstm": np.array(SPLIT),
        "label": np.array(SCORES, np.float32),
        "transcript": np.array([f'SAID, "{name}"' for name in NAMES]),
        **{name: rng.normal(size=(5, dim)).astype(np.float32) for name, dim in DIMS.items()},
    }


@pytest.fixture
def release(arrays: dict[str, Any], tmp_path: Path) -> Path:
    write_release(tmp_path / "data", arrays, range(5))
    lines = ["split,id,emo,val"]
    order = (3, 0, 2, 1, 4)
    lines += [f"{'test' if row > 2 else 'train'},{NAMES[row]},0,{SCORES[row]}" for row in order]
    (tmp_path / "labels.csv").write_text("\n".join([*lines, "val,other_1,0,1.0"]) + "\n")
    return tmp_path


def convert(folder: Path) -> dict[str, Any]:
    out = folder / "mosi.npz"
    main([str(folder / "data"), "--labels", str(folder / "labels.csv"), "--out", str(out)])
    with np.load(out, allow_pickle=False) as file:
        return dict(file)


def test_rows_are_joined_by_id_in_the_order_of_the_scores(
    release: Path, arrays: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    found = convert(release)
    order = [3, 0, 2, 1, 4]
    assert list(found["id"]) == [NAMES[row] for row in order]
    assert list(found["video_id"]) == ["v2", "v1", "v1", "v1", "v-_3"]
    assert list(found["split_official"]) == ["test", "train", "train", "train", "test"]
    for name in ("split_bclstm", "label", "transcript", *MODALITIES):
        np.testing.assert_array_equal(found[name], arrays[name][order])
    assert "1 rows" in caplog.text  # other_1, which the release lacks


def test_the_real_file_comes_back_to_the_bit(tmp_path: Path, shared_data: Path) -> None:
    """From files as the release has them, written of the real arrays in the release's order."""
    with np.load(shared_data / "mosi" / "mosi_utterance_trimodal.npz") as file:
        known = dict(file)
    write_release(tmp_path / "data", known, [int(row) for row in np.argsort(known["id"])])
    (tmp_path / "labels.csv").write_bytes(
        (shared_data / "mosi" / "labels_official.csv").read_bytes()
    )
    found = convert(tmp_path)
    for name in set(known) - {"split_official"}:
        np.testing.assert_array_equal(found[name], known[name])
    same = np.where(known["split_official"] == "val", "valid", known["split_official"])
    np.testing.assert_array_equal(found["split_official"], same)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("data/transcripts.csv", None, "no such file; give the folder"),
        ("data/transcripts.csv", "", "has no rows of 2"),
        ("data/text_test.csv", '"9","1"\n', "names line '9' of transcripts.csv"),
        ("data/text_test.csv", '"0","1"\n"1","1"\n', "is there twice"),
        ("data/audio/audio_test0.csv", "1,2,1\n", "has 1 rows of finite numbers, expected 2"),
        ("data/audio/audio_test0.csv", "1,2,1\n1,x,1\n", "expected rows of numbers"),
        ("data/audio/audio_test0.csv", "1,1\n2,1\n", "unlike widths"),
        ("labels.csv", "split,id,val\ntrain,v1_1,1.0\n", "has no score of 4 utterances"),
    ],
)
def test_what_does_not_fit_is_told(
    release: Path, file: str, content: str | None, told: str
) -> None:
    path = release / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(InputError, match=told):
        convert(release)
    assert not (release / "mosi.npz").exists()


def test_another_suffix_is_told(release: Path) -> None:
    with pytest.raises(InputError, match="expected the name"):
        main([str(release / "data"), "--labels", "x.csv", "--out", "mosi.csv"])
