"""Tokens and frames: on disk, in batches, cut to positions, joined to contexts, and broken."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq.data.indexed_dataset import MMapIndexedDataset
from harness import END, START, dictionary_of, make_store, spec_of

from mia_fairseq.data import dataset as dataset_module
from mia_fairseq.data.array_batch import pad
from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format.store import Split, Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.data.format.vectors import VectorFile
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.data.views.perturbation import Perturbation
from mia_fairseq.errors import InputError

KINDS = {"text": "tokens", "video": "frames"}
DIMS = {"text": 40, "audio": 3, "video": 6}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_store(tmp_path / "DATA", DIMS, kinds=KINDS, missing=0.2)


def opened(path: Path, split: str = "train", context: str = "", **settings) -> Split:
    limits = settings.pop("limits", {})
    store = Store(path)
    schema = Schema.choose(store, "text", ("audio", "video"), parse_derived("", context))
    return open_split(store, split, schema.with_limits(limits), **settings)


def test_tokens_and_frames_come_back_and_fairseq_reads_the_tokens(data: Path) -> None:
    split = Store(data).split("train")
    text, video = split.features["text"], split.features["video"]
    assert {name: spec.kind for name, spec in split.specs.items()} == {"audio": "features", **KINDS}
    theirs = MMapIndexedDataset(str(data / "train.text"))
    assert len(theirs) == 60 and 0 < text.missing < 60 and video.missing
    for row in range(60):
        assert text[row].dtype == np.int64 and len(text[row]) == text.lengths[row]
        if len(text[row]):
            assert theirs[row].tolist() == text[row].tolist()
            assert text[row][0] == START and text[row][-1] == END
        assert video[row].dtype == np.uint8
        assert video[row].shape == (video.lengths[row], 6, 6, 3)
    assert isinstance(text.vectors, VectorFile) and isinstance(video.vectors, VectorFile)


def test_a_batch_pads_tokens_with_their_padding_id(data: Path) -> None:
    dataset = AffectDataset(opened(data))
    rows = list(range(12))
    batch = dataset.collater([dataset[row] for row in rows])["net_input"]
    text, video = batch["features"]["text"], batch["features"]["video"]
    assert text.dtype == torch.int64 and video.dtype == torch.uint8
    assert batch["features"]["audio"].dtype == torch.float32
    for name, tensor in (("text", text), ("video", video)):
        table = dataset.split.features[name]
        assert batch["lengths"][name].tolist() == table.lengths[rows].tolist()
        assert tensor.shape[:2] == (12, table.lengths[rows].max())
        for row in rows:
            assert np.array_equal(tensor[row, : table.lengths[row]], table[row])
            assert (tensor[row, table.lengths[row] :] == 0).all()
    spec = spec_of("tokens", 40)
    other = type(spec)(40, "test", "tokens", {**spec.extra, "pad": 7})
    assert pad([np.array([1, 2]), np.zeros(0, int)], other)[0].tolist() == [[1, 2], [7, 7]]
    assert pad([other.absent()], other)[0].tolist() == [[7]]


def test_long_rows_are_cut_told_and_counted(data: Path, caplog) -> None:
    whole = opened(data).features["text"]
    with caplog.at_level(logging.WARNING):
        cut = opened(data, limits={"text": 4, "text[-1:-1]": 4}).features["text"]
    long = int((whole.lengths > 4).sum())
    assert 0 < long < 60 and f"train: text of {long} of 60 rows is cut to the 4 " in caplog.text
    longest = int(np.argmax(whole.lengths))
    first = f"encoder: {opened(data).rows[longest].id} (has {whole.lengths[longest]}), "
    assert first in caplog.text and f" and {long - 3} more; divide such rows" in caplog.text
    for row in range(60):
        tokens = whole[row].tolist()
        expected = tokens if len(tokens) <= 4 else [*tokens[:3], END]
        assert cut[row].tolist() == expected and cut.lengths[row] == len(expected)


def test_a_cut_row_stays_perturbed(data: Path) -> None:
    done = Perturbation(drop=("audio",), misalign=("text",))
    clean, perturbed = opened(data), opened(data, limits={"text": 4}, perturbation=done)
    assert perturbed.features["audio"].missing == 60
    expected = opened(data, perturbation=done).features["text"]
    moved = perturbed.features["text"]
    for row in range(60):
        assert moved[row].tolist()[:3] == expected[row].tolist()[:3]
    assert [len(moved[r]) for r in range(60)] == moved.lengths.tolist()
    assert moved.lengths.tolist() != np.minimum(clean.features["text"].lengths, 4).tolist()


def test_training_can_sort_by_length_within_buckets(data: Path, monkeypatch) -> None:
    monkeypatch.setattr(dataset_module, "BUCKET", 20)
    dataset = AffectDataset(opened(data), shuffle=True, by_length=True)
    np.random.seed(3)
    order = dataset.ordered_indices()
    lengths = dataset.split.features["text"].lengths[order].reshape(3, 20)
    assert sorted(order) == list(range(60)) and (np.diff(lengths) >= 0).all()
    np.random.seed(3)
    drawn = np.random.permutation(60)
    parts = zip(order.reshape(3, 20), drawn.reshape(3, 20), strict=True)
    assert all(sorted(one) == sorted(other) for one, other in parts)
    np.random.seed(3)  # unless it is asked for, a batch is a fair sample
    plain = AffectDataset(opened(data), shuffle=True).ordered_indices()
    assert plain.tolist() == drawn.tolist() != order.tolist()
    whole = AffectDataset(opened(data))  # evaluation reads a whole split by length
    rows = whole.ordered_indices()
    sizes = whole.num_tokens_vec(rows)
    assert sorted(rows) == list(range(60)) and (np.diff(sizes) >= 0).all()


def test_the_limits_and_kinds_survive_a_checkpoint(data: Path) -> None:
    schema = Schema.choose(Store(data), "text", ("video",), parse_derived("", "text[-1:-1]"))
    schema = schema.with_limits({"text": 9})
    again = Schema.from_state(json.loads(json.dumps(schema.to_state())))
    assert again == schema and again.limits == {"text": 9}
    assert again.modalities["text[-1:-1]"].kind == "tokens"
    again.check_fits(Store(data))


BROKEN = {
    "id beyond the dictionary": (
        lambda p: edit(p / "train.text.bin", np.uint16, 3, 40),
        r"row 'train-\d+' holds the token 40, the dictionary has 0 to 39",
    ),
    "no dictionary": (lambda p: (p / "dict.text.txt").unlink(), "dict.text.txt: is missing"),
    "another dictionary": (
        lambda p: (p / "dict.text.txt").write_text(dictionary_of(39)),
        "has 39 ids .as a transformers dictionary., expected 40",
    ),
    "truncated tokens": (lambda p: chop(p / "train.text.bin"), "its .idx says .* truncated"),
    "no tokens": (lambda p: (p / "train.text.bin").unlink(), "train.text.bin: is missing"),
    "truncated index": (lambda p: chop(p / "train.text.idx"), "idx: has not .* truncated"),
    "empty index": (lambda p: (p / "train.text.idx").write_bytes(b""), "is no index of fairseq"),
    "an unknown kind of number": (
        lambda p: edit(p / "train.text.idx", np.uint8, 17, 77),
        "holds no kind of number known",
    ),
    "no index": (lambda p: (p / "train.text.idx").unlink(), "train.text.idx: is missing"),
    "another split's index": (
        lambda p: (p / "train.text.idx").write_bytes((p / "valid.text.idx").read_bytes()),
        "has 21 entries for 60 rows",
    ),
    "no padding id": (lambda p: edit_spec(p, "text", pad=None), "pad is None, expected an id"),
    "no kind of dictionary": (
        lambda p: edit_spec(p, "text", dictionary="french"),
        "dictionary is 'french', expected fairseq or transformers",
    ),
    "no frames": (lambda p: (p / "train.video.npy").unlink(), "train.video.npy: is missing"),
    "frames of another size": (
        lambda p: edit_spec(p, "video", dim=7),
        r"shape \(\d+, 6, 6, 3\), meta.json says dim 7",
    ),
}


def edit(path: Path, dtype: type, place: int, value: int) -> None:
    items = np.fromfile(path, dtype)
    items[place] = value
    items.tofile(path)


def chop(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def edit_spec(path: Path, modality: str, **changes: object) -> None:
    meta = json.loads((path / "meta.json").read_text())
    meta["modalities"][modality].update(changes)
    (path / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize("case", BROKEN)
def test_broken_tokens_and_frames_get_one_sentence(data: Path, case: str) -> None:
    break_it, words = BROKEN[case]
    break_it(data)
    with pytest.raises(InputError, match=words) as caught:
        Store(data).split("train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"text": np.array([1, 40, 2])}, "'r7'.*text holds 1 to 40, expected .* 0 to 39"),
        ({"text": np.array([1.5])}, "'r7'.*text holds float64, expected whole numbers"),
        ({"text": np.ones((2, 3), int)}, r"text has shape \(2, 3\), expected \(time\)"),
        ({"video": np.full((1, 6, 6, 3), 256)}, "video holds 256 to 256, expected .* 0 to 255"),
        ({"video": np.ones((2, 6, 6))}, r"shape \(1, 2, 6, 6\), expected \(time, 6, 6, 3\)"),
    ],
)
def test_bad_rows_of_tokens_and_frames_are_named(tmp_path: Path, features, words: str) -> None:
    specs = {name: spec_of(KINDS[name], DIMS[name]) for name in KINDS}
    settings = {"corpus": "c", "modalities": specs, "dictionaries": {"text": dictionary_of(40)}}
    label = Store(make_store(tmp_path / "D", {"text": 3})).label
    with (
        pytest.raises(InputError, match=words),
        StoreWriter(tmp_path / "DATA", label=label, **settings) as store,
    ):
        store.add("train", Utterance("r7", 0.0), features)


def test_what_cannot_be_done_with_tokens_and_frames_is_told(data: Path) -> None:
    with pytest.raises(InputError, match="--noise text: it holds tokens"):
        opened(data, perturbation=Perturbation(noise={"text": 1.0}))
    store = Store(data)
    with pytest.raises(InputError, match=r"--context video\[-1:-1\]: video holds frames, expected"):
        Schema.choose(store, "text", ("video",), parse_derived("", "video[-1:-1]"))
    schema = Schema.choose(store, "text", ("video",), {})
    edit_spec(data, "text", tokenizer={"sha256": "1" * 64, "lower": False})
    with pytest.raises(InputError, match=r"text was made with tokenizer .*11.*trained with .*00"):
        schema.check_fits(Store(data))


def test_neighbours_are_joined_and_lose_the_farthest_tokens(tmp_path: Path, caplog) -> None:
    specs = {"text": spec_of("tokens", 40)}
    label = Store(make_store(tmp_path / "D", {"text": 3})).label
    rows = [[START, 10 + 3 * i, 11 + 3 * i, END] if i != 2 else [] for i in range(5)]
    settings = {"corpus": "c", "modalities": specs, "dictionaries": {"text": dictionary_of(40)}}
    with StoreWriter(tmp_path / "DATA", label=label, **settings) as store:
        for i, tokens in enumerate(rows):
            row = Utterance(f"r{i}", 0.0, None, "g", i)
            store.add("train", row, {"text": np.array(tokens, int)})
        store.add("train", Utterance("alone", 0.0, None, "h", 0), {"text": np.array([START, END])})
    store = Store(tmp_path / "DATA")
    contexts = "text[-3:-1],text[+1:+2],text[group]"
    schema = Schema.choose(store, "text", (), parse_derived("", contexts))
    past, future, group = (
        [open_split(store, "train", schema).features[n][i].tolist() for i in range(6)]
        for n in schema.auxiliaries
    )
    first, second, fourth, fifth = ([10, 11, END], [13, 14, END], [19, 20, END], [22, 23, END])
    both = [START, *first, *second]
    assert past == [[], [START, *first], both, both, [START, *second, *fourth], []]
    assert future[0] == [START, *second] and future[2] == [START, *fourth, *fifth]
    assert future[4] == future[5] == [] and group[5] == [START, END]
    assert group[:5] == [[START, *first, *second, *fourth, *fifth]] * 5
    caplog.clear()
    split = open_split(store, "train", schema.with_limits({"text": 6}))
    past, future, group = (
        [split.features[n][i].tolist() for i in range(6)] for n in schema.derived
    )
    assert past[2] == [START, 11, END, *second] and past[1] == [START, *first]
    assert future[2] == [START, *fourth, 22, END]
    assert group[0] == [START, 20, END, *fifth]
    assert "train: text[-3:-1] of 3 of 6 rows is cut to the 6 positions" in caplog.text
    assert "name fewer neighbours" in caplog.text
    assert all(split.features[n].lengths.max() <= 6 for n in schema.derived)
