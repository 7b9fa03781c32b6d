"""Rows of tokens read among their neighbours: what an encoder sees, what goes on, bad input."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import END, START, dictionary_of, make_store, spec_of

from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.store import Split, Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import Context, parse_derived, parse_surroundings
from mia_fairseq.data.views.perturbation import Perturbation
from mia_fairseq.errors import InputError

WORDS = {  # id -> group, position, words; out of order, one without text, one without a group
    "b": ("g", 2, [20, 21]),
    "a": ("g", 1, [10]),
    "c": ("g", 3, []),
    "d": ("g", 7, [40, 41, 42]),
    "e": ("h", 0, [50]),
    "f": ("", None, [60, 61]),
}
A, B, D = [10, END], [20, 21, END], [40, 41, 42, END]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    settings = {
        "corpus": "c",
        "label": LabelSpec("regression", minimum=-3, maximum=3),
        "modalities": {"text": spec_of("tokens", 70)},
        "dictionaries": {"text": dictionary_of(70)},
    }
    with StoreWriter(tmp_path / "DATA", **settings) as store:
        for name, (group, position, words) in WORDS.items():
            tokens = np.array([START, *words, END] if words else [], int)
            row = Utterance(name, 0.0, None, group or None, position)
            store.add("train", row, {"text": tokens})
    return tmp_path / "DATA"


def opened(path: Path, window: str, limit: int | None = None, context: str = "", **more) -> Split:
    around = parse_surroundings(window)
    schema = Schema.choose(Store(path), "text", (), parse_derived("", context), around)
    again = Schema.from_state(schema.to_state())
    assert again.surroundings == around
    return open_split(
        Store(path), "train", again.with_limits({"text": limit} if limit else {}), **more
    )


def rows(split: Split, name: str = "text") -> dict[str, list[int]]:
    return {row.id: split.features[name][i].tolist() for i, row in enumerate(split.rows)}


def own(split: Split) -> dict[str, list[int]]:
    """Each row's own tokens, cut out of its sequence by what the batch says of them."""
    places = {row.id: split.features["text"].own[i] for i, row in enumerate(split.rows)}
    read = rows(split)
    return {
        name: [*read[name][:1], *read[name][start : start + count - 1]][:count]
        for name, (start, count) in places.items()
    }


def test_neighbours_stand_around_a_row_and_its_own_tokens_are_known(data: Path) -> None:
    split = opened(data, "text[-1:+1]")
    assert rows(split) == {
        "a": [START, *A, *B],
        "b": [START, *A, *B],  # c has no words, and is a neighbour all the same
        "c": [],
        "d": [START, *D],
        "e": [START, 50, END],
        "f": [START, 60, 61, END],
    }
    alone = {name: [START, *words, END] if words else [] for name, (_, _, words) in WORDS.items()}
    assert own(split) == alone
    past = opened(data, "text[-2:0]")
    assert rows(past)["d"] == [START, *B, *D] and rows(past)["b"] == [START, *A, *B]
    whole = opened(data, "text[group]")
    assert rows(whole)["b"] == rows(whole)["d"] == [START, *A, *B, *D]
    for split in (past, whole):
        assert own(split) == alone
        lengths = split.features["text"].lengths.tolist()
        assert lengths == [len(tokens) for tokens in rows(split).values()]


def test_what_is_too_long_loses_what_is_farthest(data: Path, caplog) -> None:
    caplog.set_level(logging.WARNING)
    split = opened(data, "text[group]", limit=6)
    # b: three of its own beside <s>; two places are left, one for each side.
    assert rows(split)["b"] == [START, END, *B, END]
    assert rows(split)["a"] == [START, *A, 20, 21, END]
    assert rows(split)["d"] == [START, END, *D]
    assert own(split)["b"] == [START, *B] and own(split)["d"] == [START, *D]
    assert "train: text[group] of 3 of 6 rows is cut to the 6 positions" in caplog.text
    short = opened(data, "text[group]", limit=3)  # less than d itself has
    assert own(short)["d"] == [START, 40, END] == rows(short)["d"]


def test_a_batch_tells_which_tokens_are_its_own(data: Path) -> None:
    split = opened(data, "text[-1:+1]")
    dataset = AffectDataset(split)
    net_input = dataset.collater([dataset[0], dataset[2]])["net_input"]
    assert net_input["own"]["text"].tolist() == [[3, 4], [1, 0]]
    assert net_input["lengths"]["text"].tolist() == [6, 0]
    plain = AffectDataset(opened(data, ""))
    assert "own" not in plain.collater([plain[0]])["net_input"]


def test_contexts_are_made_of_the_rows_alone(data: Path) -> None:
    split = opened(data, "text[-1:+1]", context="text[-1:-1]")
    assert rows(split, "text[-1:-1]")["b"] == [START, *A]


def test_a_dropped_modality_has_no_surroundings(data: Path) -> None:
    split = opened(data, "text[group]", perturbation=Perturbation(drop=("text",)))
    assert not split.features["text"].lengths.any()
    assert torch.equal(torch.tensor(rows(split)["a"]), torch.tensor([]))


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("text[-2:-1]", "leaves out 0, the utterance itself"),
        ("text[0:0]", "has no neighbour in it"),
        ("text[2:-2]", "is an empty range"),
        ("text", "cannot be read, expected MODALITY\\[FIRST:LAST\\]"),
        ("text[-1:1],text[group]", "names 'text' twice"),
        ("audio[-1:1]", "'audio' is not in use, expected one of text"),
    ],
)
def test_windows_that_cannot_be(data: Path, window: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        opened(data, window)


def test_features_have_no_surroundings(tmp_path: Path) -> None:
    store = make_store(tmp_path / "DATA", {"text": 3})
    with pytest.raises(InputError, match="text holds features, expected tokens"):
        Schema.choose(Store(store), "text", (), {}, {"text": Context("text", (-1, 1))})


def test_rows_without_groups_or_positions(tmp_path: Path, data: Path) -> None:
    for group, position, message in (
        (None, None, r"no group \(video or dialogue\), which --surroundings text\[-1:\+1\] needs"),
        ("g", None, "has no position, which --surroundings"),
    ):
        folder = tmp_path / str(group)
        store = Store(data)
        settings = {"corpus": "c", "label": store.label, "modalities": store.modalities}
        with StoreWriter(folder, **settings, dictionaries={"text": dictionary_of(70)}) as writer:
            for name in "ab":
                row = Utterance(name, 0.0, None, group, position)
                writer.add("train", row, {"text": np.array([START, 5, END])})
        with pytest.raises(InputError, match=message):
            opened(folder, "text[-1:+1]")
    with pytest.raises(InputError, match=r"no position, which --surroundings text\[group\] needs"):
        opened(folder, "text[group]")
