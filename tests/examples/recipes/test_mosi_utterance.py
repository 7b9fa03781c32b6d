"""The MOSI recipe on the real features, in short: two epochs, one seed."""

import json
from pathlib import Path

from harness import run_cli


def test_the_recipe_runs_from_import_to_table(shared_data: Path, tmp_path: Path) -> None:
    features = shared_data / "mosi" / "mosi_utterance_trimodal.npz"
    flags = ("--out", tmp_path, "--seeds", "1", "--max-epoch", "2")
    printed = run_cli("python", "-m", "examples.recipes.mosi_utterance", features, *flags).stdout
    assert (tmp_path / "results.md").read_text() in printed
    scores = json.loads((tmp_path / "DATA.json").read_text())
    assert {name: seeds[0]["n"] for name, seeds in scores.items()} == dict.fromkeys(scores, 752)
    assert scores["constant"][0]["mae"] > 1.3 > scores["MIA-Net, text main"][0]["mae"]
    classes = json.loads((tmp_path / "DATA7.json").read_text())
    assert (
        classes["constant"][0]["accuracy"]
        < 0.27
        < classes["MIA-Net, text main, ce_krl"][0]["accuracy"]
    )
