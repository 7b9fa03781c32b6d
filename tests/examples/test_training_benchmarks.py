"""Epochs beside MMSA's trainer, for which a stand-in is here, and GPUs reckoned on paper."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest
import torch
from harness import run_cli

from examples.benchmarks.device_limits import Work
from examples.benchmarks.training.gpus_on_paper import COPIES, Cards, LaunchedCalls, add_assumptions
from examples.benchmarks.training.scaling import Epochs, Rank
from mia_fairseq.errors import InputError

STAND_IN = Path(__file__).with_name("stand_in")
BESIDE_MMSA = "examples.benchmarks.training.peer_epochs"
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def test_an_epoch_stands_beside_mmsas(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    run = run_cli("python", "-c", RUN, STAND_IN, BESIDE_MMSA, "--quick", "--json", written)
    assert "An epoch beside MMSA's" in run.stdout and "MMSA trains" not in run.stderr
    report = json.loads(written.read_text())
    (rows,) = report["tables"].values()
    counted = {(row["trained"], row["batch"]): row["epochs"] for row in rows}
    ours = {("mia_net, sequences", 4): 2, ("mia_net, vectors", 4): 2}
    assert counted == ours | {("lmf", 8): 2, ("tfn", 8): 2, ("mult", 8): 1, ("misa", 8): 1}
    assert all(row["an epoch"] > 0 and row["start-up"] > 0 for row in rows)
    assert "mia_net, vectors, batch 4 / lmf, batch 8" in report["ratios"]
    assert len(report["ratios"]) == 2 * 4


def test_without_mmsa_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.benchmarks.training import peer_epochs

    monkeypatch.setitem(sys.modules, "MMSA", None)
    with pytest.raises(InputError, match=r"needs MMSA.*run 'pip install MMSA'"):
        peer_epochs.measure(None)


def cards(*words: str) -> Cards:
    parser = ArgumentParser()
    add_assumptions(parser)
    return Cards.of(parser.parse_args(words))


def test_an_update_takes_the_longest_of_three() -> None:
    given = Cards(arithmetic=1e12, bandwidth=1e9, launch=1e-6, link=1e8, message=1e-3)
    assert given.update(Work(3 * 10**12, 10**9), 10**6) == 3
    assert given.update(Work(10**12, 5 * 10**9), 10**6) == 5
    assert given.update(Work(10**12, 10**9), 7 * 10**6) == 7
    assert given.reduce(1e6, 1) == 0
    # of 4 GPUs each sends six messages of a quarter of the bytes
    ring = 6 * (1e-3 + 1e6 / 4 / 1e8)
    assert given.reduce(1e6, 4) == pytest.approx(COPIES * 1e6 / 1e9 + ring)


def test_assumptions_are_numbers_above_zero() -> None:
    assert cards("--link", "5e10").link == 5e10
    for value in ("0", "-1", "nan", "inf"):
        with pytest.raises(InputError, match=f"--link {value}: expected a number above 0"):
            cards(f"--link={value}")


def test_several_processes_are_asked_for() -> None:
    run = run_cli(
        *("python", "-m", "examples.benchmarks.training.scaling", "--processes", "1"), check=False
    )
    assert run.returncode == 1 and "--processes 1: expected" in run.stderr
    assert "Traceback" not in run.stderr


def test_views_are_no_calls() -> None:
    values = torch.ones(4, 4)
    with LaunchedCalls() as calls:
        values.t() @ values + 1
    assert calls.total == 2


def test_a_process_notes_what_it_reduces_after_the_first_epoch() -> None:
    rank = Rank()
    reduce = rank.noted(lambda tensor, op: (tensor, op))
    for end in (False, True, False, True):
        assert reduce(torch.ones(6), op="sum")[1] == "sum"
        rank.after_update(end)
    told = rank.told()
    assert told["bytes"] == 24 and len(told["cpu"]) == len(told["wall"]) == 1


def test_cpu_is_summed_over_processes_and_the_slowest_tells_the_wall() -> None:
    one = {"cpu": [1.0, 2.0], "wall": [5.0, 6.0], "bytes": 8.0, "reducing": 0.5}
    other = {"cpu": [10.0, 20.0], "wall": [4.0, 7.0], "bytes": 8.0, "reducing": 1.5}
    assert Epochs.of([one, other]) == Epochs([11.0, 22.0], [5.0, 7.0], 8.0, 1.0)
