"""The frozen-text recipe on real data, in short: MOSI whole, MELD cut to a few dialogues."""

import json
from pathlib import Path

import pytest
from harness import run_cli

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.model_store import fetch_model


def test_the_recipe_runs_from_transcripts_to_the_table(shared_data: Path, tmp_path: Path) -> None:
    try:
        fetch_model("minilm")
    except InputError as error:
        pytest.skip(f"MiniLM cannot be fetched here: {error}")
    meld = tmp_path / "meld"
    meld.mkdir()
    for table in (shared_data / "meld").glob("*.csv"):
        lines = table.read_text(encoding="utf-8").splitlines()[:120]
        (meld / table.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    flags = ("--out", tmp_path / "out", "--seeds", "1", "--max-epoch", "1", "--partial")
    sources = ("--mosi", shared_data / "mosi" / "mosi_utterance_trimodal.npz", "--meld", meld)
    run_cli("python", "-m", "examples.recipes.frozen_minilm", *sources, *flags)
    mosi = json.loads((tmp_path / "out" / "MOSI.json").read_text())
    assert {name: seeds[0]["n"] for name, seeds in mosi.items()} == dict.fromkeys(mosi, 686)
    assert mosi["MIA-Net, text and audio"][0]["mae"] < mosi["constant"][0]["mae"]
    assert json.loads((tmp_path / "out" / "MELD.json").read_text())["text only"][0]["n"] > 50
