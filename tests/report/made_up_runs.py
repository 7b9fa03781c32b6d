"""Runs of made-up numbers as folders, the report of them, and a browser that opens it."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import EMOTIONS

from mia_fairseq.experiments.plan import INDEX_FORMAT
from mia_fairseq.meter import RESULTS_FORMAT
from mia_fairseq.metrics import classification_metrics, regression_metrics
from mia_fairseq.report import __main__ as report_module

NAMES = EMOTIONS.names
ROWS = 60


def write_seed(folder: Path, *, noise: float = 1.0, corpus: str = "CMU-MOSI", **more: Any) -> None:
    """One finished run of made-up scores, or of classes with ``classes=True``."""
    seed = int(folder.name.removeprefix("seed"))
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = more.pop("rows", ROWS)
    if more.pop("classes", False):
        truth = np.arange(rows) % len(NAMES)
        guess = np.where(rng.random(rows) < noise / 2, rng.integers(0, len(NAMES), rows), truth)
        metrics: Mapping[str, Any] = classification_metrics(guess, truth, NAMES)
        header = ["id", "label", "prediction", *(f"p_{name}" for name in NAMES)]
        cells = [
            [NAMES[t], NAMES[g], *["0.3"] * len(NAMES)] for t, g in zip(truth, guess, strict=True)
        ]
    else:
        truth = np.linspace(-3, 3, rows)
        guess = truth + rng.normal(0, noise, rows)
        metrics = regression_metrics(guess, truth)
        header = ["id", "label", "prediction"]
        cells = [[str(t), str(g)] for t, g in zip(truth, guess, strict=True)]
    about = {"format": RESULTS_FORMAT, "corpus": corpus, "modalities": ["text"], "split": "test"}
    (folder / "test.json").write_text(json.dumps({**about, **metrics, **more}))
    lines = ["\t".join(header), *("\t".join([f"u{i}", *row]) for i, row in enumerate(cells))]
    (folder / "test.tsv").write_text("\n".join(lines) + "\n")


def write_index(runs: Path, experiment: str, rows: Mapping[str, str], data: Path) -> None:
    """The index of one experiment; row name -> the row's name in the paper."""
    folder = runs / experiment
    folder.mkdir(parents=True)
    entries = [
        {
            "data": str(data),
            "flags": ["--arch", "mia_net", "--gamma", str(place / 10)],
            "folder": f"../all/{name}",
            "seeds": 2,
            "evaluations": [evaluation("test", name, data, paper)],
        }
        for place, (name, paper) in enumerate(rows.items(), start=1)
    ]
    index = {"format": INDEX_FORMAT, "experiment": experiment, "rows": entries}
    (folder / "index.json").write_text(json.dumps(index))


def evaluation(
    file: str, row: str, data: Path, paper: str = "", of: str | None = None
) -> dict[str, Any]:
    about = {"file": file, "split": "test", "row": row, "data": str(data)}
    return {**about, "paper": paper or None, "of": of}


def make(out: Path, *runs: Path, attention: bool = False) -> tuple[str, str]:
    flags = ["--resamples", "200", *([] if attention else ["--no-attention"])]
    report_module.main([*map(str, runs), "--out", str(out / "report.html"), *flags])
    return (out / "report.html").read_text(), (out / "report.md").read_text()


def in_browser(page: str, script: str, folder: Path) -> str:
    """The page's title after a script has run when it was loaded, offline."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium is installed")
    probe = folder / "probe.html"
    code = f"addEventListener('load', () => {{ document.title = {script} }})"
    probe.write_text(page.replace("</body>", f"<script>{code}</script></body>"))
    result = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000"),
            *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", probe.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert "CONSOLE" not in result.stderr, result.stderr
    found = re.search("<title>(.*?)</title>", result.stdout)
    assert found is not None
    return found[1]
