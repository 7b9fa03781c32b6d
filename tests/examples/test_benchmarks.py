"""Every benchmark runs and prints what it promises; no time is ever tested."""

import json
import math
import re
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from harness import run_cli

from examples.benchmarks.answers import first_answer
from examples.benchmarks.processes import peak_memory
from examples.benchmarks.timing import Ratio, alternate, r_squared

QUICK = {
    "training_step": "fast / written out",
    "framework_tax": "adam_fused: fairseq-train / bare loop",
    "sizes.growth": "R² of a line, M operations over auxiliary dims",
    "corpora.corpus_size": "most private MiB, the last against the first",
    "fusions": None,
    "gradient_checkpointing": "peak memory saved",
    "exported": "mia_net: as ONNX / in torch",
    "training.epochs": "mia_net: fairseq-train / bare loop",
    "training.scaling": "2 processes / 1: wall seconds",
    "training.encoder_tokens": "mpnet, dialogue: tokens of fairseq-train / bare loop",
    "corpora.extraction": "CPU ms a clip, all of it",
    "sizes.long_sequences": "R² of a line, MB moved over frames",
    "corpora.opening": "open: 9,000 rows / 5,000 rows",
    "dry_run": None,
}


def grab(mebibytes: int):
    """An action that holds so much memory for a moment."""
    return lambda: np.ones(mebibytes << 17).sum()


def numbers(value: object) -> list[float]:
    """All figures in a report."""
    if isinstance(value, dict):
        return [n for part in value.values() for n in numbers(part)]
    if isinstance(value, list):
        return [n for part in value for n in numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


def check(printed: str, written: Path, ratio: str | None) -> None:
    report = json.loads(written.read_text())
    assert f"# {report['title']}\n" in printed and "--quick: these figures" in printed
    assert "threads 1" in printed and report["setting"]["threads"] == 1
    for name, rows in report["tables"].items():
        assert rows and f"**{name}**" in printed
        assert printed.count("\n| " + " | ".join(rows[0]) + " |\n") >= 1
    for name in report["ratios"]:
        assert re.search(rf"^- {re.escape(name)}: \*\*[\d.]", printed, re.MULTILINE), name
    assert ratio is None or any(ratio in name for name in report["ratios"])
    figures = numbers([report["tables"], report["ratios"]])
    assert figures and all(math.isfinite(figure) and figure >= 0 for figure in figures)


@pytest.mark.parametrize("name", QUICK)
def test_quick_run_is_well_formed(name: str, tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    flags = ["--optimizer", "adam_fused"] if name == "framework_tax" else []
    flags += ["--plot", str(tmp_path / "growth.png")] if name == "sizes.growth" else []
    run = run_cli(
        *("python", "-m", f"examples.benchmarks.{name}", "--quick", "--json", written, *flags)
    )
    check(run.stdout, written, QUICK[name])
    if name == "sizes.growth":
        assert (tmp_path / "growth.png").stat().st_size > 10_000


@pytest.fixture
def models() -> None:
    """Skips where the embedded models are not there."""
    from mia_fairseq.pretrained.model_store import cache_folder

    names = ("minilm", "whisper", "retinaface", "fer")
    absent = [name for name in names if not (cache_folder() / "models" / name).is_dir()]
    if absent:
        pytest.skip(f"the lite set's {absent[0]} has not been fetched; run make demo once")


def test_the_stages_of_an_answer_stand_beside_the_bare_calls(tmp_path: Path, models: None) -> None:
    written = tmp_path / "figures.json"
    command = ("python", "-m", "examples.benchmarks.answers.folder_answers")
    run = run_cli(*command, "--quick", "--json", written)
    check(run.stdout, written, "all but decoding and picture / bare process")
    tables = json.loads(written.read_text())["tables"]
    stages = {row["stage"] for row in tables["one clip: stages"]}
    assert stages >= {"start-up", "decode", "speech", "words' models", "faces"}
    called = {row["model"] for row in tables["one clip: bare calls"]}
    assert called == {"load", "Silero", "Whisper", "MiniLM with heads", "RetinaFace"}


def test_pipeline_runs_where_its_models_are_there(tmp_path: Path, models: None) -> None:
    written = tmp_path / "figures.json"
    run = run_cli("python", "-m", "examples.benchmarks.pipeline", "--quick", "--json", written)
    check(run.stdout, written, "pipeline but decoding / bare forwards")
    bare = json.loads(written.read_text())["tables"]["bare forwards"]
    assert {row["model"] for row in bare} == {"MiniLM", "Whisper", "RetinaFace", "mini-XCEPTION"}


def test_first_answers_are_compared_turn_by_turn_but_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = iter([50.0, 9.0, 1.0, 4.0, 2.0, 6.0, 3.0, 8.0])  # graphs, torch, graphs, ...
    monkeypatch.setattr(first_answer, "answer_seconds", lambda code, clip: next(spent))
    low, high = np.quantile([1 / 4, 2 / 6, 3 / 8], [0.25, 0.75])
    report = first_answer.measure(Namespace(clip=tmp_path / "clip.mp4", quick=False, turns=3))
    assert report.ratios["graphs / torch"] == Ratio(2 / 6, low, high)
    (graphs, _) = report.tables["CPU seconds of the command"]
    assert graphs == {"way": "graphs", "median": 2.0, "most": 3.0}


def test_peers_says_in_a_sentence_that_mmsa_is_not_there() -> None:
    run = run_cli("python", "-m", "examples.benchmarks.peers", "--quick", check=False)
    if run.returncode == 0:
        assert "mult" in run.stdout
    else:
        assert "needs MMSA" in run.stderr and "pip install MMSA" in run.stderr
        assert "Traceback" not in run.stderr


def test_actions_take_turns_and_the_first_turns_do_not_count() -> None:
    order: list[str] = []
    actions = {name: lambda name=name: order.append(name) for name in "ab"}
    taken = alternate(actions, turns=3, warm_up=1)
    assert "".join(order) == "abababab"
    assert all(len(seconds) == 3 and (seconds >= 0).all() for seconds in taken.values())


def test_a_ratio_is_that_of_the_medians_with_the_turns_quartiles() -> None:
    ratio = Ratio.of(np.array([2.0, 4.0, 9.0]), np.array([1.0, 2.0, 3.0]))
    assert ratio == Ratio(2.0, 2.0, 2.5)
    assert str(ratio) == "2.000 (2.000 to 2.500)"


def test_r_squared() -> None:
    assert r_squared([1, 2, 4], [3, 5, 9]) == pytest.approx(1)
    assert r_squared([1, 2, 3], [1, 3, 2]) == pytest.approx(0.25)
    assert r_squared([1, 2], [7, 7]) == 1


def test_peak_memory_sees_what_is_held_for_a_moment() -> None:
    assert peak_memory(grab, 64) == pytest.approx(64, abs=8)
