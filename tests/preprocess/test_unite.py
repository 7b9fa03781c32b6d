"""unite: rows that lack each other's modalities, one kind of label, balanced training."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from harness import train, validate

from mia_fairseq.data.dataset import balanced
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from preprocess import import_arrays, unite

WORDS = {"MELD": ["neutral", "joy", "anger"], "RAVDESS": ["calm", "neutral", "happy", "angry"]}
ROWS = {"MELD": 48, "RAVDESS": 24}
MAPS = ("--map", "calm=neutral", "--map", "happy=joy", "--map", "angry=anger")


def write(folder: Path, corpus: str, **changes: object) -> Path:
    """MELD: text, with splits. RAVDESS: audio and face, with folds."""
    rng = np.random.default_rng(len(corpus))
    rows, words = ROWS[corpus], WORDS[corpus]
    label = np.arange(rows) % len(words)
    signal = 2 * np.eye(4)[label % 4] + rng.normal(size=(rows, 4))
    content = {
        "label": np.array(words)[label],
        "who": np.array([f"g{row // 4}" for row in range(rows)]),
        "split": np.array((["train"] * 4 + ["valid", "test"]) * (rows // 6)),
        "fold": np.arange(rows) // 4 % 3,
        **({"text": signal} if corpus == "MELD" else {"audio": signal, "face": signal[:, :2]}),
    }
    content.update({key: value for key, value in changes.items() if key in content})
    np.savez(folder / "in.npz", **content)
    names = changes.get("modalities", ["text"] if corpus == "MELD" else ["audio", "face"])
    how = ["--split", "split"] if corpus == "MELD" else ["--fold", "fold", "--group", "who"]
    how += ["--classes", *words] if content["label"].dtype.kind == "U" else []
    command = [str(folder / "in.npz"), "--label", "label", "--modalities", *names, *how]
    command += ["--corpus", corpus, "--out", str(folder / corpus)]
    import_arrays.main([*command, *changes.get("flags", ())])
    return folder / corpus


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    return [write(folder, corpus) for corpus in ROWS]


@pytest.fixture(scope="module")
def united(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("united") / "UNITED"
    unite.main([*map(str, parts), "--fold", "1", *MAPS, "--out", str(out)])
    return out


def test_every_row_is_there_with_what_its_corpus_has(parts: list[Path], united: Path) -> None:
    store = Store(united)
    assert store.label.names == ("neutral", "joy", "anger")
    assert list(store.modalities) == ["text", "audio", "face"]
    assert store.corpus == "MELD+RAVDESS"
    assert store.splits == {"train": 32 + 8, "valid": 8 + 8, "test": 8 + 8}
    test = store.split("test")
    assert [row.corpus for row in test.rows] == ["MELD"] * 8 + ["RAVDESS"] * 8
    assert test.features["text"].lengths.tolist() == [1] * 8 + [0] * 8
    assert test.features["audio"].lengths.tolist() == [0] * 8 + [1] * 8
    voices = Store(parts[1]).split("all")
    by_id = {f"RAVDESS:{row.id}": number for number, row in enumerate(voices.rows)}
    for number, row in enumerate(test.rows):
        if row.corpus == "RAVDESS":
            there = by_id[row.id]
            assert np.array_equal(test.features["audio"][number], voices.features["audio"][there])
            assert row.group == f"RAVDESS:g{there // 4}" and there // 4 % 3 == 1
            word = WORDS["RAVDESS"][there % 4]
            mapped = {"calm": "neutral", "happy": "joy", "angry": "anger"}.get(word, word)
            assert store.label.names[int(row.label)] == mapped


def test_one_model_is_trained_on_both_and_told_of_each(united: Path, tmp_path: Path) -> None:
    flags = ("--main-modality", "text", "--aux-modalities", "audio,face", "--criterion", "ce_krl")
    train(united, tmp_path, *flags, "--balance", "corpus", "--channels", "2", "--max-epoch", "3")
    out = tmp_path / "out.json"
    validate(united, tmp_path / "checkpoint_best.pt", "--results-json", out)
    told = json.loads(out.read_text())
    assert {name: own["n"] for name, own in told["corpora"].items()} == {"MELD": 8, "RAVDESS": 8}
    hits = sum(own["accuracy"] * own["n"] for own in told["corpora"].values())
    assert told["accuracy"] == pytest.approx(hits / told["n"])


def test_data_of_one_corpus_cannot_be_balanced(parts: list[Path], tmp_path: Path) -> None:
    flags = ("--main-modality", "audio", "--aux-modalities", "face", "--criterion", "ce_krl")
    result = train(parts[1], tmp_path, *flags, "--fold", "0", "--balance", "corpus", check=False)
    assert result.returncode != 0 and "has no corpus; make the data with" in result.stderr


def test_a_balanced_epoch_has_equal_parts_and_repeats_the_small_one() -> None:
    parts = np.array([0] * 90 + [1] * 10)
    order = np.random.default_rng(0).permutation(100)
    rows = balanced(order, parts)
    assert len(rows) == 100 and (parts[rows] == 1).sum() == 50
    small, large = rows[parts[rows] == 1], rows[parts[rows] == 0]
    assert len(set(large)) == 50 and np.bincount(small)[90:].tolist() == [5] * 10
    assert len(balanced(order[:99], parts)) == 99


@pytest.mark.parametrize(
    ("flags", "changes", "sentence"),
    [
        (("--map", "bored=neutral"), {}, "names the class 'bored', expected some of"),
        (("--map", "calm"), {}, "CLASS=CLASS, or a file with one such line each"),
        ((), {"flags": ["--corpus", "MELD"]}, "corpora are MELD, MELD, expected different names"),
        ((), {"label": np.arange(24) / 9.0}, "labels are .*regression"),
    ],
)
def test_what_cannot_be_united_is_told(
    parts: list[Path], tmp_path: Path, flags: tuple, changes: dict, sentence: str
) -> None:
    other = write(tmp_path, "RAVDESS", **changes)
    out = ["--out", str(tmp_path / "out")]
    with pytest.raises(InputError, match=sentence):
        unite.main([str(parts[0]), str(other), *flags, *out])


def test_two_makers_of_one_modality_are_told(parts: list[Path], tmp_path: Path) -> None:
    other = write(tmp_path, "RAVDESS", flags=["--corpus", "third", "--extractor", "whisper"])
    with pytest.raises(InputError, match=r"audio is whisper 4, in .* it is unknown 4"):
        unite.main([str(parts[1]), str(other), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"pool": "none"},
            r"audio is unknown 4 with pool 'none', in .* with pool 'mean'; give one",
        ),
        ({"options": {"layer": "2"}}, r"with options {'layer': '2'}, in .* with options {}"),
        ({"codes_sha256": "b"}, r"with codes_sha256 'b', in .* with codes_sha256 'a'"),
        ({"options": {"device": "cuda", "folder": "/elsewhere"}}, None),
    ],
)
def test_features_made_differently_are_not_joined(
    parts: list[Path], tmp_path: Path, change: dict, sentence: str | None
) -> None:
    folders = []
    for name, told in (("one", {}), ("two", change)):
        shutil.copytree(parts[1], tmp_path / name)
        meta = json.loads((tmp_path / name / "meta.json").read_text())
        made = {"pool": "mean", "options": {}, "codes_sha256": "a", **told}
        meta["corpus"] = name
        meta["modalities"]["audio"].update(made)
        (tmp_path / name / "meta.json").write_text(json.dumps(meta))
        folders.append(str(tmp_path / name))
    command = [*folders, "--out", str(tmp_path / "out")]
    if sentence is None:
        unite.main(command)
        return
    with pytest.raises(InputError, match=sentence):
        unite.main(command)


def test_a_map_may_be_a_file(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("calm=neutral\n\nhappy=joy\nangry=anger\n")
    out = tmp_path / "UNITED"
    unite.main([*map(str, parts), "--map", str(tmp_path / "map.txt"), "--out", str(out)])
    assert Store(out).label.names == ("neutral", "joy", "anger")
    assert Store(out).splits == {"train": 32, "valid": 8, "test": 8, "all": 24}
    assert {row.fold for row in Store(out).split("all").rows} == {0, 1, 2}
