"""The tables of what is finished: of each corpus by itself where DATA unites several."""

import json
from pathlib import Path

import pytest
from harness import make_store

from mia_fairseq.experiments.index_file import write_results
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.running.training_run import Run
from mia_fairseq.experiments.specification.experiment import load


@pytest.mark.parametrize("names", ["AB", "A"])
def test_each_corpus_of_several_has_a_table_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    own = {name: {"n": 10 + place, "mae": 0.25 + place} for place, name in enumerate(names)}
    monkeypatch.setattr(Run, "finished", True)
    monkeypatch.setattr(Run, "results", lambda *_: {"n": 21, "mae": 0.7, "corpora": own})
    chosen = load("table1")
    data = make_store(tmp_path / "BOTH", {"text": 3, "audio": 2, "video": 2})
    files = write_results(chosen, plan(chosen, [data], seeds=2, out=tmp_path, more={}), tmp_path)
    expected = ["BOTH.json", *(["BOTH.A.json", "BOTH.B.json"] if names == "AB" else [])]
    assert [file.name for file in files] == [*expected, "results.md"]
    for file, name in zip(files[1:-1], names, strict=False):
        rows = json.loads(file.read_text())
        assert rows and all(seeds == [own[name]] * 2 for seeds in rows.values())
    text = files[-1].read_text()
    assert text.count("BOTH, test rows of B:") == (names == "AB")
    assert ("| 2 | 11 | 1.250 ± 0.000 |" in text) == (names == "AB")
