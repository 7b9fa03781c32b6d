"""The store: what is written comes back, and every broken file gets its sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from harness import EMOTIONS, SCORES, make_store

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.data.format.vectors import VectorFile
from mia_fairseq.errors import InputError

DIMS = {"text": 3, "audio": 2}
SPECS = {name: ModalitySpec(dim, "test", extra={"rate": 50}) for name, dim in DIMS.items()}


def write(path: Path, rows: list[tuple[str, Utterance, dict]], **settings) -> Store:
    chosen = {"corpus": "c", "label": SCORES, "modalities": SPECS, **settings}
    with StoreWriter(path, **chosen) as store:
        for split, row, features in rows:
            store.add(split, row, features)
    return Store(path)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_written_comes_back(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(0)
    sequence = rng.normal(size=(4, 3)).astype(dtype)
    vector = rng.normal(size=3).astype(dtype)
    rows = [
        ("train", Utterance("a", -2.5, "tabs\tand\nlines", "v", 0), {"text": sequence}),
        ("train", Utterance("b", 3.0), {"text": vector, "audio": np.zeros((0, 2))}),
        ("test", Utterance("c", 0.1, None, None, 7), {"text": None, "audio": np.ones((2, 2))}),
    ]
    store = write(tmp_path / "DATA", rows, dtype=dtype)
    assert store.corpus == "c" and store.label == SCORES and store.modalities == SPECS
    assert store.splits == {"train": 2, "test": 1}
    train, test = store.split("train"), store.split("test", ["audio"])
    assert train.rows[0] == Utterance("a", -2.5, "tabs and lines", "v", 0)
    assert train.rows[1] == Utterance("b", 3.0) and test.rows[0].position == 7
    assert train.labels.tolist() == [-2.5, 3.0]
    text, audio = train.features["text"], train.features["audio"]
    assert np.array_equal(text[0], sequence) and np.array_equal(text[1], vector[None])
    assert isinstance(text.vectors, VectorFile) and text.vectors.dtype == dtype
    assert audio.missing == 2 and audio[0].shape == (0, 2)
    assert list(test.features) == ["audio"] and test.features["audio"].lengths.tolist() == [2]


def test_the_hash_in_meta_json_is_that_of_the_rows(tmp_path: Path) -> None:
    def told(path: str, vector: list[float], split: str = "train", label: float = 1.0) -> str:
        write(tmp_path / path, [(split, Utterance("a", label), {"text": np.array(vector)})])
        return json.loads((tmp_path / path / "meta.json").read_text())["content_sha256"]

    first = told("A", [1, 2, 3])
    assert told("B", [1, 2, 3]) == first and len(first) == 64
    others = [told("C", [1, 2, 4]), told("D", [1, 2, 3], "test"), told("E", [1, 2, 3], label=2)]
    assert len({first, *others}) == 4


def test_class_labels_come_back(tmp_path: Path) -> None:
    store = write(
        tmp_path / "DATA", [("train", Utterance("a", 2.0), {"text": np.ones(3)})], label=EMOTIONS
    )
    assert store.label.names == ("neutral", "joy", "anger")
    assert "anger" in (tmp_path / "DATA" / "train.tsv").read_text()
    assert store.split("train").labels.tolist() == [2.0]


def test_an_error_leaves_no_folder_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "DATA"
    good = [("train", Utterance("a", 1.0), {"text": np.ones(3)})]
    bad = [*good, ("train", Utterance("a", 1.0), {"text": np.ones(3)})]
    with pytest.raises(InputError, match="ids must be unique"):
        write(path, bad)
    assert list(tmp_path.iterdir()) == []
    write(path, good)
    with pytest.raises(InputError, match="ids must be unique"):
        write(path, bad)
    assert Store(path).splits == {"train": 1} and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("split", ["train", "test"])
def test_ids_that_differ_by_whitespace_only_are_not_unique(tmp_path: Path, split: str) -> None:
    rows = [(name, Utterance(i, 1.0), {}) for name, i in (("train", "a b"), (split, "a  b"))]
    with pytest.raises(InputError, match=f"id 'a b' stands in train already and again in {split}"):
        write(tmp_path / "DATA", rows)
    store = write(tmp_path / "DATA", [("train", Utterance(" a\tb", 1.0), {"text": np.ones(3)})])
    assert store.split("train").rows[0].id == "a b"


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path) -> None:
    rows = [("train", Utterance("a", 1.0), {"text": np.ones(3)})]
    (tmp_path / ".DATA.123.partial").mkdir()
    (tmp_path / ".DATA.123.partial" / "junk").touch()
    write(tmp_path / "DATA", rows)
    assert [p.name for p in tmp_path.iterdir()] == ["DATA"]
    (tmp_path / "DATA").rename(tmp_path / ".DATA.retired")  # killed between the two moves
    bad = [*rows, *rows]
    with pytest.raises(InputError, match="ids must be unique"):
        write(tmp_path / "DATA", bad)
    assert [p.name for p in tmp_path.iterdir()] == ["DATA"]
    assert Store(tmp_path / "DATA").splits == {"train": 1}


def test_a_folder_is_replaced_only_if_it_is_ours_and_holds_nothing_else(tmp_path: Path) -> None:
    rows = [("train", Utterance("a", 1.0), {"text": np.ones(3)})]
    path = tmp_path / "DATA"
    write(path, rows)
    (path / "thesis.docx").touch()
    with pytest.raises(InputError, match=r"holds 1 files .* such as 'thesis\.docx'"):
        write(path, rows)
    (path / "thesis.docx").unlink()
    (path / "notes").mkdir()
    with pytest.raises(InputError, match="such as 'notes'"):
        write(path, rows)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(InputError, match="is a link"):
        write(tmp_path / "link", rows)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is no DATA folder"):
        write(tmp_path / "file", rows)


def test_of_two_writers_at_once_one_wins_whole_and_the_other_says_so(tmp_path: Path) -> None:
    settings = {"corpus": "c", "label": SCORES, "modalities": SPECS}
    with StoreWriter(tmp_path / "DATA", **settings) as first:
        first.add("train", Utterance("first", 1.0), {"text": np.ones(3)})
        with (
            pytest.raises(InputError, match="another process is writing it"),
            StoreWriter(tmp_path / "DATA", **settings),
        ):
            raise AssertionError("the second must not begin")
    assert Store(tmp_path / "DATA").split("train").rows[0].id == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["DATA"]


@pytest.mark.parametrize(
    "array", [np.ones(3) * 1j, np.array(["1", "2", "3"]), np.array(["2020-01-01"] * 3, "M8[D]")]
)
def test_features_must_be_real_numbers(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected real numbers"):
        write(tmp_path / "DATA", [("train", Utterance("a", 1.0), {"text": array})])


@pytest.mark.parametrize(
    ("row", "features", "words"),
    [
        (Utterance("r7", 0.0), {"text": np.ones((2, 5))}, r"'r7'.*shape \(2, 5\).*\(time, 3\)"),
        (Utterance("r7", 0.0), {"text": np.array([1, np.nan, 1])}, "'r7'.*NaN or Inf"),
        (Utterance("r7", 0.0), {"audio": np.array([1, np.inf])}, "'r7'.*audio holds NaN or Inf"),
        (Utterance("r7", 0.0), {"smell": np.ones(3)}, "'r7' has unknown modality 'smell'"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: Utterance, features: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write(tmp_path / "DATA", [("train", row, features)])


def test_numbers_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    rows = [("train", Utterance("r7", 0.0), {"text": np.full(3, 1e6)})]
    with pytest.raises(InputError, match="NaN or Inf as float16"):
        write(tmp_path / "DATA", rows, dtype="float16")


def test_a_folder_that_is_no_store_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="is no DATA folder"):
        write(tmp_path, [("train", Utterance("a", 1.0), {"text": np.ones(3)})])


def test_no_row_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row"):
        write(tmp_path / "DATA", [])


def edit_meta(path: Path, **changes: object) -> None:
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps({**meta, **changes}))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def replace_first_label(path: Path, label: str) -> None:
    lines = path.read_text().splitlines()
    cells = lines[1].split("\t")
    lines[1] = "\t".join([cells[0], label, *cells[2:]])
    path.write_text("\n".join(lines) + "\n")


BROKEN = {
    "no meta.json": (lambda p: (p / "meta.json").unlink(), "no meta.json here"),
    "no JSON": (lambda p: (p / "meta.json").write_text("{"), "is no JSON"),
    "format of the future": (lambda p: edit_meta(p, format=99), "format is 99.*reads 1"),
    "no label": (lambda p: edit_meta(p, label={"kind": "regression"}), "expected"),
    "one class": (lambda p: edit_meta(p, label={"kind": "classes", "names": ["a"]}), "expected"),
    "kind of the future": (
        lambda p: edit_meta(p, modalities={"text": {"kind": "smell", "dim": 3}}),
        "cannot be read by this version",
    ),
    "dim of nothing": (
        lambda p: edit_meta(p, modalities={"text": {"kind": "features", "dim": 0}}),
        "dim is 0",
    ),
    "no table": (lambda p: (p / "train.tsv").unlink(), "train.tsv: is missing"),
    "row too many": (
        lambda p: append(p / "train.tsv", "x\t1\t\t\t\n"),
        r"61 rows, meta.json says 60",
    ),
    "label out of range": (
        lambda p: replace_first_label(p / "train.tsv", "3.5"),
        r"line 2 \(row 'train-0'\): label '3.5' is no score between -3 and 3",
    ),
    "label no number": (lambda p: replace_first_label(p / "train.tsv", "good"), "'good' is no"),
    "label nan": (lambda p: replace_first_label(p / "train.tsv", "nan"), "'nan' is no score"),
    "truncated array": (lambda p: truncate(p / "train.text.npy"), "may be truncated"),
    "empty array": (lambda p: (p / "train.text.npy").write_bytes(b""), "may be truncated"),
    "pickled array": (
        lambda p: np.save(p / "train.text.npy", np.array([{}]), allow_pickle=True),
        "cannot be read",
    ),
    "no array": (lambda p: (p / "train.text.npy").unlink(), "train.text.npy: is missing"),
    "wrong dim": (
        lambda p: np.save(p / "train.text.npy", np.zeros((9, 4), np.float32)),
        r"shape \(9, 4\), meta.json says dim 12",
    ),
    "wrong dtype": (
        lambda p: np.save(p / "train.text.npy", np.zeros((9, 12), np.int64)),
        "holds int64",
    ),
    "columns first": (
        lambda p: np.save(p / "train.text.npy", np.zeros((9, 12), np.float32, order="F")),
        "column by column",
    ),
    "lengths do not add up": (
        lambda p: np.save(p / "train.text.npy", np.zeros((9, 12), np.float32)),
        "has 9 vectors, its .lengths add up to",
    ),
    "length too many": (lambda p: append(p / "train.text.lengths", "1\n"), "61 lengths for 60"),
    "length no number": (lambda p: append(p / "train.text.lengths", "x\n"), "one whole number"),
    "no lengths": (lambda p: (p / "train.text.lengths").unlink(), "train.text.lengths: is missing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_gets_one_sentence(tmp_path: Path, case: str) -> None:
    break_it, words = BROKEN[case]
    path = make_store(tmp_path / "DATA", {"text": 12})
    break_it(path)
    with pytest.raises(InputError, match=words) as caught:
        Store(path).split("train")
    assert "\n" not in str(caught.value)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    path = make_store(tmp_path / "DATA", {"text": 3})
    edit_meta(path, splits={"train": 0})
    (path / "train.tsv").write_text("id\tlabel\n")
    with pytest.raises(InputError, match="'train' is empty"):
        Store(path).split("train")


def test_unknown_split_and_modality_name_what_there_is(tmp_path: Path) -> None:
    store = Store(make_store(tmp_path / "DATA", {"text": 3}))
    with pytest.raises(InputError, match="no split 'dev', it has train, valid, test"):
        store.split("dev")
    with pytest.raises(InputError, match="no modality 'video', it has text"):
        store.split("train", ["video"])


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(InputError, match="'boredom' is none of the classes neutral, joy, anger"):
        EMOTIONS.parse("boredom", "row 3")


def test_labels_survive_json() -> None:
    for spec in (SCORES, EMOTIONS, LabelSpec("regression", -1, 1)):
        assert LabelSpec.from_json(spec.to_json(), "here") == spec


def test_a_split_whose_name_is_too_long_for_files_is_refused(tmp_path: Path) -> None:
    modalities = {"audio": ModalitySpec(2, "test")}
    with (
        pytest.raises(InputError, match="has 300 characters, expected at most 100"),
        StoreWriter(tmp_path / "D", corpus="c", label=SCORES, modalities=modalities) as store,
    ):
        store.add("x" * 300, Utterance("a", 0.0), {"audio": np.zeros((1, 2))})
