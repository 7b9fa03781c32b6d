"""Dropped, noisy and exchanged modalities: repeatable, in the right unit, on the right rows."""

import numpy as np
import pytest
from harness import make_store

from mia_fairseq.data.format.store import Split, Store
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.data.views.perturbation import Perturbation, derangement
from mia_fairseq.errors import InputError

DIMS = {"text": 6, "audio": 4}
CONTEXT = "text[-2:-1],audio[group]"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = make_store(
        tmp_path_factory.mktemp("store") / "DATA",
        DIMS,
        rows={"train": 400, "test": 300, "one": 1},
        missing=0.2,
    )
    for split in ("train", "test", "one"):  # the last audio column never varies
        vectors = np.load(path / f"{split}.audio.npy", mmap_mode="r+")
        vectors[:, 3] = 5
        vectors.flush()
    return Store(path)


def opened(store: Store, *, drop="", noise="", misalign="", seed=1, split="test") -> Split:
    schema = Schema.choose(store, "text", ("audio",), parse_derived("a2=linear(audio)", CONTEXT))
    return open_split(store, split, schema, Perturbation.parse(drop, noise, misalign, seed))


def same(one: Split, other: Split, name: str) -> bool:
    tables = one.features[name], other.features[name]
    return all(np.array_equal(tables[0][row], tables[1][row]) for row in range(len(one)))


def test_nothing_is_done_unless_asked(store: Store) -> None:
    clean, plain = opened(store), store.split("test")
    assert list(clean.features) == ["text", "audio", "text[-2:-1]", "audio[group]"]
    assert same(clean, plain, "text") and same(clean, plain, "audio")


def test_a_dropped_modality_and_its_contexts_are_gone_from_every_row(store: Store) -> None:
    clean, dropped = opened(store), opened(store, drop="audio")
    assert len(dropped) == 300
    for name in ("audio", "audio[group]"):
        assert dropped.features[name].missing == 300 > clean.features[name].missing
    assert same(clean, dropped, "text") and same(clean, dropped, "text[-2:-1]")


def test_a_share_of_the_rows_loses_a_modality_the_same_rows_at_the_same_share(
    store: Store,
) -> None:
    clean, partly = opened(store), opened(store, drop="audio=0.2,text=0.2", seed=3)
    lost = {}
    for name in ("audio", "text"):
        before, after = (split.features[name].lengths for split in (clean, partly))
        assert ((after == before) | (after == 0)).all()
        lost[name] = (after != before) | (before == 0)
        gone = [row for row in range(300) if before[row] and not after[row]]
        assert 0.1 < len(gone) / (before > 0).sum() < 0.3
        kept = np.flatnonzero(after)
        assert all(
            np.array_equal(clean.features[name][row], partly.features[name][row]) for row in kept
        )
    both = (clean.features["audio"].lengths > 0) & (clean.features["text"].lengths > 0)
    assert np.array_equal(lost["audio"][both], lost["text"][both])
    other = opened(store, drop="audio=0.2", seed=4).features["audio"].lengths
    assert (other != partly.features["audio"].lengths).any()
    told = Perturbation.parse("text,audio=0.2", "", "", 3).to_json()
    assert told == {"drop": ["text"], "drop_shares": {"audio": 0.2}, "perturbation_seed": 3}


def test_a_context_is_dropped_by_its_own_name(store: Store) -> None:
    dropped = opened(store, drop="text[-2:-1],audio[group]")
    assert dropped.features["text[-2:-1]"].missing == 300
    assert same(opened(store), dropped, "text") and same(opened(store), dropped, "audio")


def test_noise_has_the_training_splits_deviation_as_its_unit(store: Store) -> None:
    clean, noisy = opened(store).features["audio"], opened(store, noise="audio=2").features["audio"]
    assert np.array_equal(clean.lengths, noisy.lengths)
    rows = np.flatnonzero(clean.lengths)
    added = np.concatenate([noisy[row] - clean[row] for row in rows])
    deviation = np.asarray(store.split("train").features["audio"].vectors, np.float64).std(axis=0)
    assert np.allclose(added.std(axis=0)[:3], 2 * deviation[:3], rtol=0.15)
    assert np.abs(added.mean(axis=0)[:3]).max() < 0.3 * deviation[:3].max()
    assert not added[:, 3].any()  # a column that does not vary has no unit


def test_noise_is_the_same_every_time_and_another_with_another_seed(store: Store) -> None:
    first, again = (opened(store, noise="audio=1,text[-2:-1]=0.5") for _ in range(2))
    for name in ("audio", "text[-2:-1]", "audio[group]"):
        assert same(first, again, name) and not same(first, opened(store), name)
        order = np.random.default_rng(0).permutation(len(first))
        assert [first.features[name][row].tolist() for row in order] == [
            again.features[name][row].tolist() for row in order
        ]
    assert not same(first, opened(store, noise="audio=1", seed=2), "audio")
    assert same(opened(store), opened(store, noise="audio=0"), "audio")


def test_each_row_gets_the_modality_of_another(store: Store) -> None:
    clean, exchanged = opened(store).features["audio"], opened(store, misalign="audio")
    table = exchanged.features["audio"]
    assert sorted(table.lengths) == sorted(clean.lengths)
    of_clean = [clean[row].tobytes() for row in range(300)]
    of_exchanged = [table[row].tobytes() for row in range(300)]
    assert sorted(of_clean) == sorted(of_exchanged)
    assert not any(a and a == b for a, b in zip(of_clean, of_exchanged, strict=True))
    assert same(opened(store), exchanged, "text")
    assert same(exchanged, opened(store, misalign="audio"), "audio")
    assert not same(exchanged, opened(store, misalign="audio", seed=2), "audio")


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_no_row_keeps_its_own(count: int) -> None:
    donor = derangement(count, np.random.default_rng(count))
    assert sorted(donor) == list(range(count)) and (donor != np.arange(count)).all()


def test_the_results_say_what_was_done() -> None:
    done = Perturbation.parse("text,video", "audio=0.5", "gaze", 3)
    assert done.to_json() == {
        "drop": ["text", "video"],
        "noise": {"audio": 0.5},
        "misalign": ["gaze"],
        "perturbation_seed": 3,
    }
    assert Perturbation.parse("text", "", "", 3).to_json() == {"drop": ["text"]}
    assert Perturbation().to_json() == {}


REFUSED = {
    "unknown": ({"drop": "smell"}, "names 'smell', which the checkpoint does not read"),
    "a copy": ({"drop": "a2"}, "expected one of text, audio, text[-2:-1], audio[group]"),
    "no amount": ({"noise": "audio"}, "--noise is 'audio', expected the form MODALITY=AMOUNT"),
    "words": ({"noise": "audio=much"}, "--noise is 'audio=much', expected"),
    "below 0": ({"noise": "audio=-1"}, "from 0 up"),
    "endless": ({"noise": "audio=inf"}, "from 0 up"),
    "twice": ({"drop": "audio", "noise": "audio=1"}, "'audio' is named twice"),
    "a share": ({"drop": "audio=1.5"}, "MODALITY=SHARE of the rows, from 0 to 1"),
    "seed": ({"noise": "audio=1", "seed": -1}, "--perturbation-seed is -1"),
    "one row": ({"misalign": "audio", "split": "one"}, "needs two rows or more"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused(store: Store, case: str) -> None:
    flags, words = REFUSED[case]
    with pytest.raises(InputError) as caught:
        opened(store, **flags)
    assert words in str(caught.value) and "\n" not in str(caught.value)
