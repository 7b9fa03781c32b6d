"""What cannot be compared is said in its row, and nothing else is made of it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from harness import make_store
from made_up_runs import ROWS, make, write_index, write_seed

from mia_fairseq.metrics import regression_metrics
from mia_fairseq.report import __main__ as report_module

CORRELATION = {"claim": "c", "needs": "n", "status": "s", "metric": "corr", "reference": "good"}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two rows of two seeds, compared by their correlation."""
    runs = tmp_path / "runs"
    write_index(runs, "mine", {"good": "", "other": ""}, make_store(tmp_path / "DATA", {"text": 3}))
    file, own = runs / "mine" / "index.json", tmp_path / "mine.yaml"
    own.write_text(json.dumps({**CORRELATION, "runs": {"good": {}, "other": {}}}))
    file.write_text(json.dumps({**json.loads(file.read_text()), "experiment": str(own)}))
    for seed in (1, 2):
        write_seed(runs / "all" / "good" / f"seed{seed}", noise=0.5)
        write_seed(runs / "all" / "other" / f"seed{seed}", noise=1.5)
    return runs


def collapse(folder: Path) -> None:
    """Makes a run predict one constant."""
    truth, guess = np.linspace(-3, 3, ROWS), np.full(ROWS, 0.1)
    metrics = regression_metrics(guess, truth) | {"corr": None}
    old = json.loads((folder / "test.json").read_text())
    (folder / "test.json").write_text(json.dumps(old | metrics))
    lines = [f"u{row}\t{score}\t0.1" for row, score in enumerate(truth)]
    (folder / "test.tsv").write_text("\n".join(["id\tlabel\tprediction", *lines]) + "\n")


@pytest.mark.parametrize("collapsed", ["other/seed1 other/seed2", "other/seed2", "good/seed1"])
def test_a_row_that_predicts_one_constant_has_no_correlation(runs: Path, collapsed: str) -> None:
    for name in collapsed.split():
        collapse(runs / "all" / name)
    out = runs / "r.html"
    report_module.main([str(runs), "--out", str(out), "--no-attention", "--csv", "--latex"])
    name = collapsed.partition("/")[0]
    for suffix in (".html", ".md", ".csv", ".tex"):
        text = out.with_suffix(suffix).read_text()
        text = text.replace("beyond chance (Holm", "")  # a picture's caption
        found = re.search(r"\bnan\b|beyond chance|(?<!called )settled\.|class=.better|p 0\.", text)
        assert found is None, text[found.start() - 80 : found.end() + 80]
        note = f"not compared with 'good', since corr of '{name}' is undefined"
        assert note.replace("'", "&#x27;" if suffix == ".html" else "'") in text


def constant(runs: Path, guess: float, **experiment: object) -> tuple[str, str]:
    """The report of an experiment whose tables begin with one answer for every row."""
    truth = np.linspace(-3, 3, ROWS)
    metrics = regression_metrics(np.full(ROWS, guess), truth) | {"corr": None}
    (runs / "mine" / "DATA.json").write_text(json.dumps({"constant": [metrics], "good": []}))
    own = Path(json.loads((runs / "mine" / "index.json").read_text())["experiment"])
    chosen = {"constant": True, "metric": "mae", **experiment}
    own.write_text(json.dumps({**json.loads(own.read_text()), **chosen}))
    return make(runs, runs)


def test_a_table_begins_with_the_constant_row_as_results_do(runs: Path) -> None:
    page, text = constant(runs, 0.0)
    rows = [line for line in text.splitlines() if re.match(r"\| (constant|good|other) \|", line)]
    assert [row.split("|")[1].strip() for row in rows] == ["constant", "good", "other"]
    assert f"| n = {ROWS} | 1.525 | – |" in rows[0], rows[0]
    assert "constant" in page and "no better than" not in text
    assert "seeds × n: 2 × n = 60<" in page and "good leads by mae" in page
    assert "constant" not in make(runs, runs / "all")[1]


def test_rows_that_are_no_better_than_the_constant_are_named(runs: Path) -> None:
    for seed in (1, 2):
        folder = runs / "all" / "other" / f"seed{seed}"
        shutil.rmtree(folder)
        write_seed(folder, noise=5.0)
    page, text = constant(runs, 0.0)
    note = "By mae no better than constant, which always gives one answer: other."
    assert note in text and note in page


@pytest.mark.parametrize("damaged", ["", "[]", '{"constant": 1}', '{"constant": [{"mae": "x"}]}'])
def test_a_constant_row_that_cannot_be_read_is_said(runs: Path, damaged: str) -> None:
    constant(runs, 0.0)
    (runs / "mine" / "DATA.json").write_text(damaged)
    assert "DATA.json: its constant row cannot be read" in make(runs, runs)[1]


def test_a_fold_without_the_metric(runs: Path) -> None:
    for seed, first in ((1, 0.2), (2, 0.4)):
        file = runs / "all" / "other" / f"seed{seed}" / "test.json"
        folds = {"0": {"corr": first}, "1": {"corr": 0.5}, "2": {"corr": None}}
        file.write_text(json.dumps(json.loads(file.read_text()) | {"folds": folds}))
    assert "its 3 folds 0.300 to 0.500, of 1 corr is not known" in make(runs, runs)[1]


def test_the_leading_reference_was_compared_with_no_row(runs: Path) -> None:
    for seed in (1, 2):
        folder = runs / "all" / "other" / f"seed{seed}"
        shutil.rmtree(folder)
        write_seed(folder, noise=1.5, rows=50)
    page, text = make(runs, runs)
    assert "not compared with 'good', whose utterances are others" in text
    assert re.search(r"good leads by corr, 0\.9\d+ ± 0\.\d+\.\n", text), text
    assert "differ from it" not in page


def test_too_few_resamples_to_settle_anything_are_said(runs: Path) -> None:
    report_module.main([str(runs), "--out", str(runs / "r.html"), "--no-attention"])
    assert "resamples settle none" not in (runs / "r.md").read_text()
    for name in "abcdef":
        shutil.copytree(runs / "all" / "other", runs / "all" / name)
    file = runs / "mine" / "index.json"
    content = file.read_text()
    first, other = json.loads(content)["rows"]
    more = [json.loads(json.dumps(other).replace("other", name)) for name in "abcdef"]
    file.write_text(json.dumps({**json.loads(content), "rows": [first, other, *more]}))
    assert "200 resamples settle none of 7 differences" in (text := make(runs, runs)[1])
    assert "take 280 or more." in text
