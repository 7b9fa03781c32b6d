"""Whole dialogues through fairseq's commands: what is read, what is seen, bad input."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import EMOTIONS, SCORES, make_store, train, validate
from released import small_bert

from mia_fairseq.conversations.conversation import known_conversations
from mia_fairseq.data.dialogue_dataset import DialogueDataset, dataset_of
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.predict.dialogue_clips import ALONE
from mia_fairseq.predict.predictor import Predictor
from preprocess.extractors.base import build_extractor
from preprocess.media.clip import Clip

WORDS = [*(f"w{number}" for number in range(7)), "ross", "joey", ":", "1", "2"]
ROWS = {"train": 24, "valid": 7, "test": 9}
TURNS = 4  # utterances of a dialogue
READ = ("--arch", "unimodal", "--batch-size", "6", "--lr", "1e-3", "--attention-dropout", "0")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with DATA and the small encoder that reads it; 14 positions make windows."""
    folder = tmp_path_factory.mktemp("dialogues")
    small_bert(folder / "bert", WORDS, positions=14)
    tokens = build_extractor("hf_tokens", {"folder": str(folder / "bert")})
    options = {"options": {"folder": str(folder / "bert")}, "pool": "none", "dtype": "int32"}
    spec = ModalitySpec.from_json({**tokens.describe(), **options}, "here")
    settings = {
        "corpus": "c",
        "label": SCORES,
        "modalities": {"text": spec},
        "further": ("speaker",),
    }
    rng = np.random.default_rng(0)
    with StoreWriter(
        folder / "DATA", **settings, dictionaries={"text": tokens.dictionary_text()}
    ) as store:
        for split, count in ROWS.items():
            for row in range(count):
                words = " ".join(rng.choice(WORDS[:7], 2))
                place = Utterance(
                    *(f"{split}{row}", row % 7 - 3.0, words, f"g{row // TURNS}", row % TURNS),
                    speaker=("ross", "joey")[row % 2],
                )
                store.add(split, place, {"text": np.array(tokens.encode(words), np.int32)})
    return folder


def trained(data: Path, where: Path, *flags: str) -> Path:
    encoder = ("--encoder", f"text=hf:{data / 'bert'}")
    train(data / "DATA", where, *READ, *encoder, *flags)
    return where / "checkpoint_best.pt"


@pytest.fixture(scope="module", params=["dialogue", "dialogue-past"])
def checkpoint(request, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp(request.param)
    return trained(data, where, "--read", request.param, "--speakers", "names")


def test_validation_and_prediction_agree(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    results, table = tmp_path / "out.json", tmp_path / "out.tsv"
    files = ("--results-json", results, "--predictions", table)
    validate(data / "DATA", checkpoint, "--batch-size", "5", *files)
    told = json.loads(results.read_text())
    assert told["n"] == ROWS["test"]
    assert told["reading"]["read"] in ("dialogue", "dialogue-past")
    lines = csv.DictReader(table.open(), delimiter="\t")
    by_command = {line["id"]: float(line["prediction"]) for line in lines}
    rows = list(Predictor(checkpoint).predict_split(data / "DATA", "test"))
    assert {row.id: row.value for row in rows} == pytest.approx(by_command, abs=1e-5)


def test_only_later_utterances_of_the_same_dialogue_are_kept_out(
    checkpoint: Path, data: Path
) -> None:
    predictor = Predictor(checkpoint)
    past = predictor.schema.reading.past
    text = Store(data / "DATA").split("test").features["text"]
    arrays = [text[row] for row in range(8)]
    before = predictor.predict_arrays({"text": arrays}, [4, 4])
    for changed in range(8):
        other = list(arrays)
        other[changed] = np.array([arrays[changed][0], 5, 6, 7, arrays[changed][-1]])
        moved = np.abs(predictor.predict_arrays({"text": other}, [4, 4]) - before) > 1e-6
        same_dialogue = np.arange(8) // 4 == changed // 4
        assert moved[changed] and not moved[~same_dialogue].any()
        if past:
            assert not moved[:changed].any()
    if not past:
        assert moved[6]  # the last change reached the utterance before it


def test_a_folder_of_clips_is_a_dialogue_and_a_lone_clip_says_so(
    checkpoint: Path, tmp_path: Path
) -> None:
    predictor = Predictor(checkpoint)
    words = {"utt2": "w0 w1", "utt10": "w3 w4", "utt1": "w5 w6"}
    clips = [Clip(name, tmp_path / "a" / f"{name}.wav", said) for name, said in words.items()]
    lone = Clip("lone", tmp_path / "b" / "lone.wav", "w0 w1")
    *together, last = predictor.predict_clips([*clips, lone])
    assert [p.id for p in together] == list(words)
    assert last.missing == {"dialogue": ALONE} and not together[0].missing
    assert together[0].value != last.value
    tokens = build_extractor("hf_tokens", predictor.schema.modalities["text"].extra["options"])
    ordered = [np.array(tokens.encode(words[name])) for name in ("utt1", "utt2", "utt10")]
    expected = predictor.predict_arrays({"text": ordered}, [3])
    got = {p.id: p.value for p in together}
    assert [got[n] for n in ("utt1", "utt2", "utt10")] == pytest.approx(expected.tolist(), abs=1e-6)


def test_each_batch_has_whole_dialogues_and_each_row_comes_once(data: Path, checkpoint: Path):
    schema = Predictor(checkpoint).schema
    dataset = dataset_of(open_split(Store(data / "DATA"), "train", schema), schema, shuffle=True)
    assert isinstance(dataset, DialogueDataset)
    np.random.seed(1)
    batches = dataset.batch_by_size(dataset.ordered_indices(), max_sentences=10)
    assert sorted(np.concatenate(batches).tolist()) == list(range(ROWS["train"]))
    for batch in batches:
        assert len(batch) <= 10
        counts = np.bincount(batch // TURNS)
        assert set(counts) <= {0, TURNS}
    sample = dataset.collater([dataset[int(row)] for row in batches[0]])
    names = {token for token, word in enumerate(["", "", "", "", "", *WORDS]) if word == "ross"}
    assert names & set(sample["net_input"]["features"]["text"].flatten().tolist())


def test_batches_of_dialogues_go_by_tokens(data: Path, tmp_path: Path) -> None:
    """fairseq takes an attribute `sizes` of a dataset for those of rows."""
    encoder = ("--encoder", f"text=hf:{data / 'bert'}", "--read", "dialogue", "--max-epoch", "1")
    model = (*READ[:2], *encoder, "--batch-size", "99")
    run = train(data / "DATA", tmp_path, *model, "--max-tokens", "36")  # two dialogues' at most
    assert "num_updates 3" in run.stdout
    refused = train(data / "DATA", tmp_path, *model, "--max-tokens", "3", check=False)
    assert "rows are longer than --max-tokens" in refused.stderr


def test_resuming_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    flags = ("--read", "dialogue", "--speakers", "roles")
    whole = trained(data, tmp_path / "whole", *flags, "--max-epoch", "2")
    trained(data, tmp_path / "parts", *flags, "--max-epoch", "1")
    parts = trained(data, tmp_path / "parts", *flags, "--max-epoch", "2")
    one, other = (
        torch.load(path.with_name("checkpoint_last.pt"), weights_only=False)["model"]
        for path in (whole, parts)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--read", "pages"), "--read is 'pages', expected one of rows, dialogue"),
        (("--speakers", "names"), "add --read dialogue"),
        (("--conversation", "nobody"), "--conversation is 'nobody', expected one of a_dmn"),
        (("--crf",), "--crf is a chain of classes, and the labels are scores"),
        (("--conversation-past",), "there is none; add --conversation NAME"),
        (("--read", "dialogue", "--surroundings", "text[-1:0]"), "leave one out"),
    ],
)
def test_bad_flags_are_told(data: Path, tmp_path: Path, flags: tuple[str, ...], message: str):
    encoder = ("--encoder", f"text=hf:{data / 'bert'}")
    refused = train(data / "DATA", tmp_path, *READ, *encoder, *flags, check=False)
    assert refused.returncode != 0 and message in refused.stderr


@pytest.mark.parametrize("name", [*known_conversations(), ""])
def test_a_conversation_and_a_chain_train_on_features(name: str, tmp_path: Path) -> None:
    store = make_store(tmp_path / "DATA", {"text": 6, "audio": 3}, label=EMOTIONS)
    model = ("--arch", "concat", "--aux-modalities", "audio", "--criterion", "ce_krl", "--crf")
    talks = ("--conversation", name, "--conversation-dim", "8", "--batch-size", "12")
    train(store, tmp_path, *model, *talks, "--max-epoch", "1")
    results = tmp_path / "out.json"
    checkpoint = tmp_path / "checkpoint_best.pt"
    validate(store, checkpoint, "--batch-size", "7", "--results-json", results)
    assert json.loads(results.read_text())["n"] == 23
    assert len(list(Predictor(checkpoint).predict_split(store, "test"))) == 23
