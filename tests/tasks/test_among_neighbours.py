"""An encoder that reads utterances among their neighbours, through fairseq's commands."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from harness import SCORES, train, validate
from released import small_bert

from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Store, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.predict.predictor import Predictor
from preprocess.extractors.base import build_extractor

WORDS = [f"w{number}" for number in range(7)]
ROWS = {"train": 24, "valid": 6, "test": 9}
TURNS = 3  # utterances of a dialogue
AROUND = ("--arch", "unimodal", "--surroundings", "text[-1:0]", "--batch-size", "4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with DATA, the small encoder that reads it, and a checkpoint."""
    folder = tmp_path_factory.mktemp("surroundings")
    small_bert(folder / "bert", WORDS, positions=20)
    tokens = build_extractor("hf_tokens", {"folder": str(folder / "bert")})
    options = {"options": {"folder": str(folder / "bert")}, "pool": "none", "dtype": "int32"}
    spec = ModalitySpec.from_json({**tokens.describe(), **options}, "here")
    settings = {"corpus": "c", "label": SCORES, "modalities": {"text": spec}}
    rng = np.random.default_rng(0)
    with StoreWriter(
        folder / "DATA", **settings, dictionaries={"text": tokens.dictionary_text()}
    ) as store:
        for split, count in ROWS.items():
            for row in range(count):
                words = " ".join(rng.choice(WORDS, 2))
                place = Utterance(
                    f"{split}{row}", row % 7 - 3.0, words, f"g{row // TURNS}", row % TURNS
                )
                store.add(split, place, {"text": np.array(tokens.encode(words), np.int32)})
    flags = (*AROUND, "--encoder", f"text=hf:{folder / 'bert'}", "--max-epoch", "2", "--lr", "1e-3")
    train(folder / "DATA", folder, *flags)
    return folder


def test_validation_and_prediction_agree_and_tell_of_it(folder: Path, tmp_path: Path) -> None:
    checkpoint = folder / "checkpoint_best.pt"
    results, table = tmp_path / "out.json", tmp_path / "out.tsv"
    validate(folder / "DATA", checkpoint, "--results-json", results, "--predictions", table)
    told = json.loads(results.read_text())
    assert told["surroundings"] == {"text": "text[-1:+0]"} and told["n"] == 9
    lines = csv.DictReader(table.open(), delimiter="\t")
    by_command = {line["id"]: float(line["prediction"]) for line in lines}
    predictor = Predictor(checkpoint)
    rows = list(predictor.predict_split(folder / "DATA", "test"))
    assert {row.id: row.value for row in rows} == pytest.approx(by_command, abs=1e-5)
    alone = Store(folder / "DATA").split("test").features["text"]
    outputs = predictor.predict_arrays({"text": [alone[row] for row in range(9)]})
    for row, (among, by_itself) in enumerate(zip(rows, outputs, strict=True)):
        # The first utterance of a dialogue has nothing before it, so it is read alone anyway.
        same = abs(among.value - float(by_itself)) < 1e-5
        assert same == (row % TURNS == 0), among


def test_a_model_without_the_modality_refuses_the_flag(folder: Path, tmp_path: Path) -> None:
    flags = ("--encoder", f"text=hf:{folder / 'bert'}", "--max-epoch", "1", "--aux-modalities", "")
    around = ("--context", "text[-1:-1]", "--surroundings", "audio[-1:0]")
    refused = train(folder / "DATA", tmp_path, *flags, *around, check=False)
    assert refused.returncode != 0
    assert "--surroundings audio[-1:+0]: 'audio' is not in use" in refused.stderr
