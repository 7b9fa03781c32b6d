"""The recipes in short: real tables cut to a few rows, one seed, one epoch."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT
from warm import warm_commands

from mia_fairseq.experiments import __main__ as runner

RECIPES = ROOT / "examples" / "recipes"
SHORT = ("--seeds", "1", "--max-epoch", "1")
Run = Callable[..., Path]


@pytest.fixture
def run_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a recipe, its commands started warm; returns its folder of results."""
    monkeypatch.setattr(subprocess, "run", warm_commands.warm(subprocess.run))
    folder = tmp_path / "recipes"
    folder.mkdir()
    for file in RECIPES.rglob("*.yaml"):
        text = file.read_text()  # of cut tables rows are missing, and teachers are to be short too
        text = text.replace("corpora.meld {tables}", "corpora.meld {tables} --partial")
        text = text.replace("corpora.meld {meld}", "corpora.meld {meld} --partial")
        text = text.replace("corpora.ravdess {clips}", "corpora.ravdess {clips} --partial")
        text = text.replace("--seeds 3", "--seeds 2 --max-epoch 1")
        text = text.replace("--seeds 2 --jobs", "--seeds 2 --max-epoch 1 --jobs")
        copy = folder / file.relative_to(RECIPES)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(text)

    def run(name: str, *flags: str, **inputs: Path | str) -> Path:
        given = [f"--input={key}={value}" for key, value in inputs.items()]
        out = tmp_path / "runs"
        (recipe,) = folder.rglob(f"{name}.yaml")
        runner.main([str(recipe), *given, "--out", str(out), *SHORT, *flags])
        return out / name

    return run


@pytest.fixture
def few_mosi(shared_data: Path, tmp_path: Path) -> Path:
    """The first rows of each split."""
    with np.load(shared_data / "mosi" / "mosi_utterance_trimodal.npz") as arrays:
        splits = arrays["split_official"]
        kept = np.concatenate([np.flatnonzero(splits == s)[:12] for s in ("train", "val", "test")])
        np.savez(tmp_path / "few.npz", **{name: arrays[name][kept] for name in arrays})
    return tmp_path / "few.npz"


@pytest.fixture
def few_meld(shared_data: Path, tmp_path: Path) -> Path:
    """The first rows of each table."""
    meld = tmp_path / "meld"
    meld.mkdir()
    for table in (shared_data / "meld").glob("*.csv"):
        lines = table.read_text(encoding="utf-8").splitlines()[:24]
        (meld / table.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return meld
