"""MMSA's ``text_bert`` as tokens, by the tokenizer that made them."""

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from harness import touch, train
from released import small_bert

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from preprocess import import_mmsa

WORDS = ["so", "good", "bad", "film"]
TEXTS = ["so good", "film", "bad film so bad"]
IDS = [[2, 5, 6, 3], [2, 8, 3], [2, 7, 8, 5, 3]]  # the last one is cut at five tokens


def table(ids: list[int], steps: int = 5) -> list[list[float]]:
    pad = [0] * (steps - len(ids))
    return [[*ids, *pad], [*[1] * len(ids), *pad], [0] * steps]


def split(name: str, **changes: object) -> dict[str, object]:
    rng = np.random.default_rng(0)
    return {
        "raw_text": TEXTS,
        "text": rng.normal(size=(3, 5, 6)),
        "text_bert": np.array([table(ids) for ids in IDS], np.float32),
        "audio": rng.normal(size=(3, 5, 5)),
        "id": [f"{name}$_${place}" for place in range(3)],
        "regression_labels": np.array([-1.0, 0.2, 0.8], np.float32),
        **changes,
    }


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mmsa") / "bert"
    small_bert(folder, WORDS)
    return folder


def imported(where: Path, tokenizer: str, **changes: object) -> Store:
    splits = {name: split(name, **changes) for name in ("train", "valid", "test")}
    touch(where / "in.pkl").write_bytes(pickle.dumps(splits))
    flags = ("--modalities", "text", "audio", "--text-tokens", tokenizer)
    import_mmsa.main([str(where / "in.pkl"), "--out", str(where / "DATA"), *flags])
    return Store(where / "DATA")


def test_an_encoder_learns_along_on_them(
    bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        store = imported(tmp_path, str(bert))
    assert "3 of 3 rows have the tokenizer's own ids" in caplog.text
    text = store.split("test").features["text"]
    assert [text[row].tolist() for row in range(3)] == IDS
    spec = store.modalities["text"]
    assert (spec.kind, spec.dim, spec.extractor) == ("tokens", 9, "hf_tokens")
    encoder = ("--encoder", f"text=hf:{bert}", "--aux-modalities", "audio", "--max-epoch", "1")
    train(store.path, tmp_path / "save", *encoder)
    assert (tmp_path / "save" / "checkpoint_best.pt").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw_text": ["film", "bad", "so good"]}, "gives the ids of text_bert in 0 of 3 rows"),
        ({"text_bert": [table([2, 5, 900, 3])] * 3}, "has id 900, and the tokenizer .* has 9 ids"),
        ({"text_bert": [[[2, 3]]] * 3}, r"row 'train\$_\$0': expected \(3, T\) whole numbers"),
        ({"text_bert": None}, "text_bert has NoneType, expected 3"),
    ],
)
def test_ids_of_another_tokenizer_are_told(
    bert: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        imported(tmp_path, str(bert), **changes)


def test_tokens_of_a_text_that_is_left_out_are_told(bert: Path, tmp_path: Path) -> None:
    flags = ("--modalities", "audio", "--text-tokens", str(bert), "--out", str(tmp_path / "DATA"))
    touch(tmp_path / "in.pkl").write_bytes(pickle.dumps({"train": split("train")}))
    with pytest.raises(InputError, match="is about text, which --modalities leaves out"):
        import_mmsa.main([str(tmp_path / "in.pkl"), *flags])


def test_what_is_no_tokenizer_is_told(tmp_path: Path) -> None:
    for name in ("nowhere", "roberta"):
        with pytest.raises(InputError, match=r"--text-tokens is .*expected the folder"):
            imported(tmp_path, name)
