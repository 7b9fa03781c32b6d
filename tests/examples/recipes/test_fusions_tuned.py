"""The search that tunes all fusions alike: its order, what it may read, resuming, the table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.benchmarks import experiment_costs
from mia_fairseq.complexity.cost import architectures
from mia_fairseq.errors import InputError
from mia_fairseq.experiments import __main__ as runner
from mia_fairseq.experiments import search
from mia_fairseq.experiments.plan import PlannedRow, plan
from mia_fairseq.experiments.specification import experiment as experiments
from mia_fairseq.experiments.specification.run_flags import Flags

EXPERIMENT = """
claim: Two fusions, two settings.
needs: any DATA.
status: a test
reference: MIA-Net
runs:
  MIA-Net: {}
  concat: {flags: {arch: concat}}
search:
  context: {choices: ["", "text[group]"]}
  channels: {choices: [2, 1000]}
tune: {most-parameters: 50000}
"""


@pytest.fixture
def entry(corpus: Path, tmp_path: Path) -> PlannedRow:
    chosen = experiments.load("fusions")
    return plan(chosen, [corpus], seeds=1, out=tmp_path, more={})[0]


def test_every_fusion_is_in_the_experiment_with_the_same_flags() -> None:
    rows = {row.flags["arch"]: dict(row.flags) for row in experiments.load("fusions").rows}
    assert sorted(rows) == architectures()
    shared = [{k: v for k, v in flags.items() if k != "arch"} for flags in rows.values()]
    assert all(flags == shared[0] for flags in shared)


def scored(monkeypatch: pytest.MonkeyPatch, values: Mapping[tuple[Any, ...], float]) -> list:
    """Validation figures by settings instead of trainings."""
    asked = []

    def figure(_entry: object, settings: Mapping[str, Any], *_: object) -> float:
        asked.append(tuple(settings.values()))
        return values[asked[-1]]

    monkeypatch.setattr(search, "_on_validation", figure)
    return asked


SPACE = {name: {"choices": choices} for name, choices in {"a": [1, 2, 3], "b": [4, 5]}.items()}


def nothing_is_refused(_entry: PlannedRow, _settings: Flags) -> None: ...


def test_flag_by_flag_keeps_what_is_best(
    entry: PlannedRow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scored(monkeypatch, {(1, 4): 0.9, (2, 4): 0.8, (3, 4): 0.7, (3, 5): 0.7})
    trials = search.flag_by_flag(entry, SPACE, more={}, out=tmp_path, check=nothing_is_refused)
    assert asked == [(1, 4), (2, 4), (3, 4), (3, 5)]
    assert trials[0] == search.Trial({"a": 3, "b": 4}, 0.7)  # the later one is no better
    assert sorted(trial.value or 0 for trial in trials) == [0.7, 0.7, 0.8, 0.9]


def test_flag_by_flag_lists_what_is_refused_and_leaves_given_flags(
    entry: PlannedRow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_entry: PlannedRow, settings: Flags) -> None:
        assert settings["b"] == "4"
        if settings["a"] == refused:
            raise InputError("too large")

    refused, asked = 2, scored(monkeypatch, {(1,): 0.9, (3,): 0.8})
    trials = search.flag_by_flag(entry, SPACE, more={"b": "4"}, out=tmp_path, check=check)
    assert asked == [(1,), (3,)]
    assert [trial.value for trial in trials] == [0.8, 0.9, None]
    assert trials[2].refused == "too large"
    refused = 1
    with pytest.raises(InputError, match="too large"):
        search.flag_by_flag(entry, SPACE, more={"b": "4"}, out=tmp_path, check=check)


def test_flag_by_flag_needs_choices(entry: PlannedRow, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"search of lr is .*expected choices"):
        search.flag_by_flag(entry, {"lr": {"low": 0}}, more={}, out=tmp_path, check=print)


def test_two_fusions_from_search_to_table(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "two.yaml", tmp_path / "runs"
    file.write_text(EXPERIMENT)
    words = [
        str(file),
        "--data",
        str(corpus),
        "--out",
        str(out),
        "--seeds",
        "2",
        "--max-epoch",
        "1",
    ]
    runner.main(words)
    printed = capsys.readouterr().out
    assert "4 runs, of which 0 are finished" in printed  # the test split has not been read
    experiment_costs.main([str(out / "two")])
    assert "| M parameters | CPU s an epoch |" in capsys.readouterr().out
    trials = json.loads((out / "two" / "trials.json").read_text())
    rows = json.loads((out / "two" / "costs.json").read_text())
    tuned = yaml.safe_load((out / "two" / "two.yaml").read_text())["runs"]
    assert set(rows) == {"MIA-Net", "concat"} == set(trials)
    for name, seeds in rows.items():
        assert len(seeds) == 2 and all(seed["n"] == 23 for seed in seeds)
        assert 0 < seeds[0]["M parameters"] < 0.1 and seeds[0]["CPU s an epoch"] > 0
        values = [trial["value"] for trial in trials[name]]
        assert len(values) == 3 and values[0] == min(values[:2]) and values[2] is None
        assert "parameters, expected at most 50,000" in trials[name][2]["refused"]
        assert tuned[name]["flags"]["context"] == trials[name][0]["settings"]["context"]
    runs = sorted((out / "all").glob("*/seed?"))
    assert len(runs) == 6  # two fusions: a trial that lost, and two seeds of the winner
    assert len(list((out / "all").glob("*/seed?/test.json"))) == 4
    before = {path: path.stat().st_mtime_ns for run in runs for path in run.iterdir()}
    runner.main(words)
    assert "4 runs, of which 4 are finished" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for run in runs for path in run.iterdir()}
    runner.main([*words, "--rows", "concat"])
    assert "2 runs, of which 2 are finished" in capsys.readouterr().out
    tuned = yaml.safe_load((out / "two" / "two.yaml").read_text())
    assert (list(tuned["runs"]), tuned["reference"]) == (["MIA-Net", "concat"], "MIA-Net")
