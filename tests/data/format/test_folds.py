"""Folds: a DATA divided by them is, bit for bit, the DATA whose tables were divided that way."""

from pathlib import Path

import numpy as np
import pytest
from harness import END, SCORES, START, dictionary_of, spec_of

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.statistics import column_moments, in_chunks
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.errors import InputError

SPECS = {"text": spec_of("tokens", 9), "audio": ModalitySpec(3)}
ROLES = {0: {0: "test", 1: "valid", 4: "train"}, 4: {4: "test", 0: "valid", 1: "train"}}


def row_of(number: int, rng: np.random.Generator) -> tuple[Utterance, dict[str, np.ndarray]]:
    group = number // 3
    row = Utterance(f"r{number}", number % 7 - 3, "hi", f"g{group}", number % 3, f"s{group}")
    words = rng.integers(3, 9, int(rng.integers(0, 4)))
    tokens = np.concatenate([[START], words, [END]]) if len(words) else np.empty(0, np.int64)
    return row, {"text": tokens, "audio": rng.normal(size=(int(rng.integers(0, 4)), 3))}


def write(path: Path, split_of, fold_of=lambda number: (0, 1, 4)[number // 3 % 3]) -> Path:
    """27 rows in groups of 3, in one order whatever the splits; the folds are 0, 1 and 4."""
    rng = np.random.default_rng(5)
    settings = {"corpus": "c", "label": SCORES, "modalities": SPECS, "further": ("speaker", "fold")}
    with StoreWriter(path, dictionaries={"text": dictionary_of(9)}, **settings) as store:
        for number in range(27):
            row, features = row_of(number, rng)
            fold = fold_of(number)
            store.add(split_of(number), Utterance(**{**vars(row), "fold": fold}), features)
    return path


@pytest.mark.parametrize("fold", [0, 4])
@pytest.mark.parametrize("names", [("all",), ("train", "test")])
def test_a_fold_is_the_data_that_was_split_so(
    tmp_path: Path, fold: int, names: tuple[str, ...]
) -> None:
    # Two tables are made of whole blocks, so that the order of the rows is the same.
    write(tmp_path / "one", lambda number: names[number * len(names) // 27])
    write(tmp_path / "other", lambda number: ROLES[fold][(0, 1, 4)[number // 3 % 3]])
    folded, split = FoldedStore(tmp_path / "one", fold), Store(tmp_path / "other")
    assert folded.splits == {"train": 9, "valid": 9, "test": 9} and folded.fold == fold
    derived = parse_derived("", "text[-1:-1],audio[group]")
    schema = Schema.choose(split, "text", ("audio",), derived, {})
    for name in ("train", "valid", "test"):
        got, expected = (open_split(store, name, schema) for store in (folded, split))
        assert list(got.rows) == list(expected.rows) and got.name == name
        assert got.labels.tolist() == expected.labels.tolist()
        assert list(got.features) == list(expected.features)
        for modality, table in got.features.items():
            wanted = expected.features[modality]
            assert table.lengths.tolist() == wanted.lengths.tolist()
            assert all(np.array_equal(table[row], wanted[row]) for row in range(9))
            assert np.array_equal(np.asarray(table.vectors), np.asarray(wanted.vectors))
        moments = [
            column_moments(in_chunks(side.features["audio"].vectors), 3) for side in (got, expected)
        ]
        assert np.array_equal(moments[0], moments[1])


def test_parts_of_the_chosen_vectors_are_what_a_plain_array_has(tmp_path: Path) -> None:
    store = FoldedStore(write(tmp_path / "DATA", lambda number: f"s{number * 3 // 27}"), 1)
    vectors = store.split("train", ["audio"]).features["audio"].vectors
    whole = np.asarray(vectors)
    for start in range(-1, len(whole) + 2):
        for stop in range(-2, len(whole) + 2):
            assert np.array_equal(vectors[start:stop], whole[start:stop])


def test_every_row_is_tested_once(tmp_path: Path) -> None:
    write(tmp_path / "DATA", lambda number: "all")
    folds = [FoldedStore(tmp_path / "DATA", fold) for fold in (0, 1, 4)]
    tested = [row.id for store in folds for row in store.split("test", ()).rows]
    assert sorted(tested) == sorted(f"r{number}" for number in range(27))
    for store in folds:
        groups = [{row.group for row in store.split(name, ()).rows} for name in store.splits]
        assert len(set.union(*groups)) == sum(map(len, groups)) == 9


@pytest.mark.parametrize(
    ("fold", "fold_of", "sentence"),
    [
        (2, lambda number: number // 3 % 3, None),
        (3, lambda number: number // 3 % 3, "--fold is 3, its rows have folds 0, 1, 2; expected"),
        (0, lambda number: number // 3 % 2, "--fold is 0, its rows have folds 0, 1; expected"),
        (0, lambda number: number % 5, "group 'g0' lies in the folds 0 and 1 .row 'r1'"),
        (0, lambda number: None, "row 'r0' of all has none; import the data again"),
    ],
)
def test_wrong_folds_are_told(tmp_path: Path, fold: int, fold_of, sentence: str | None) -> None:
    write(tmp_path / "DATA", lambda number: "all", fold_of)
    if sentence is None:
        store = FoldedStore(tmp_path / "DATA", fold)
        with pytest.raises(InputError, match="has no split 'all' with --fold, but train, valid"):
            store.split("all")
        return
    with pytest.raises(InputError, match=sentence):
        FoldedStore(tmp_path / "DATA", fold)


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_splits_that_folds_would_make_are_told_to_be_asked_for(tmp_path: Path, name: str) -> None:
    write(tmp_path / "DATA", lambda number: "all", lambda number: number // 3 % 3)
    sentence = f"has no split '{name}', it has all; its rows have folds, so give --fold K"
    with pytest.raises(InputError, match=sentence):
        Store(tmp_path / "DATA").split(name)


def test_a_column_that_the_table_was_not_given_is_told(tmp_path: Path) -> None:
    settings = {"corpus": "c", "label": SCORES, "modalities": {"audio": ModalitySpec(3)}}
    with (
        pytest.raises(InputError, match="row 'a' of train has a speaker, and the table no such"),
        StoreWriter(tmp_path / "DATA", **settings) as store,
    ):
        store.add("train", Utterance("a", 1.0, speaker="Ross"), {"audio": np.ones(3)})
    with StoreWriter(tmp_path / "DATA", **settings) as store:
        store.add("train", Utterance("a", 1.0), {"audio": np.ones(3)})
    table = (tmp_path / "DATA" / "train.tsv").read_text()
    assert table == "id\tlabel\ttext\tgroup\tposition\na\t1\t\t\t\n"  # as it ever was
