"""An experiment's file of wrong forms, of too many values or of too many runs is refused."""

from pathlib import Path

import pytest
from harness import make_store

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.specification.experiment import load, names

FILE = "claim: a\nneeds: b\nstatus: c\nruns: {one: {flags: {lr: 1}}}\n"


def test_every_experiment_here_has_the_forms() -> None:
    for name in names():
        load(name)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("seeds: 2.5", "seeds is 2.5, expected a whole number from 1"),
        ("seeds: 1000000000000000000000000000000", "expected a whole number from 1 to 10000"),
        ("flags: [1]", r"flags is \[1\], expected names with values"),
        ("sweep: {lr: 3}", "sweep, lr is 3, expected a list"),
        ("sweep: {lr: [[1]]}", "sweep, lr, value 1 is"),
        ("groups: {g: {lr: {x: 1}}}", "groups, g, lr is"),
        ("claim: [a]", "claim is"),
        ("only_validation: maybe", "only_validation is 'maybe', expected true or false"),
        ("paper: {MOSI: {metric: mae, columns: [mae]}}", "paper, MOSI has no rows"),
        ("paper: {M: {metric: m, columns: [a], rows: {x: [1, 2]}}}", "has 2 numbers, expected one"),
        ("inputs: {file: {what: a}}", "not both what and default"),
        ("runs: {one: 3}", "runs, one is 3"),
        ("runs: {one: {use: {}}}", "runs, one, use is {}, expected a list"),
        ("runs: {1: {}}", "runs is {1: {}}, expected names"),
        ("runs: {}", "make 0 rows"),
        ("values: [1]", "values is"),
        ("sweep: {a: &a [1,2,3,4,5,6,7,8,9,10], b: *a, c: *a, d: *a, e: *a}", "make 100,000 rows"),
        ("x: &x [*x]", "is no YAML"),
        ("x: " + "[" * 5000, "is nested too deep"),
        ("x: 2001-99-99", "is no YAML"),
    ],
)
def test_a_wrong_form_is_told(tmp_path: Path, more: str, told: str) -> None:
    kept = [line for line in FILE.splitlines() if line.split(":")[0] != more.split(":")[0]]
    (tmp_path / "a.yaml").write_text("\n".join([*kept, more]) + "\n")
    with pytest.raises(InputError, match=told) as caught:
        load(str(tmp_path / "a.yaml"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2100


@pytest.mark.parametrize("nothing", ["evaluations: {loud: null}", "groups: {small: null}", ""])
def test_null_stands_for_nothing(tmp_path: Path, nothing: str) -> None:
    data = make_store(tmp_path / "DATA", {"text": 2}, rows={"train": 2, "valid": 2, "test": 2})
    (tmp_path / "a.yaml").write_text(f"{FILE}by_label: {{regression: null}}\n{nothing}\n")
    (row,) = plan(load(str(tmp_path / "a.yaml")), [data], seeds=1, out=tmp_path, more={})
    (run,) = row.runs
    assert [evaluation.name for evaluation in run.evaluations] == ["valid", "test"]
    assert "--criterion" not in run.flags and "--arch" in run.flags


def test_references_are_counted_before_they_are_written_out(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 15)]
    (tmp_path / "a.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"stands for 1,[0-9,]{19} values"):
        load(str(tmp_path / "a.yaml"))


def test_more_runs_than_anybody_means_need_a_flag(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 2}, rows={"train": 2, "valid": 2, "test": 2})
    (tmp_path / "a.yaml").write_text(FILE + f"sweep: {{gamma: {list(range(300))}}}\n")
    chosen = load(str(tmp_path / "a.yaml"))
    settings = {"out": tmp_path, "more": {}}
    with pytest.raises(InputError, match=r"makes 3,000 runs: .* give .* --most-runs 3000"):
        plan(chosen, [data], seeds=10, **settings)
    assert len(plan(chosen, [data], seeds=1, **settings)) == 300
    assert len(plan(chosen, [data], seeds=10, most_runs=3000, **settings)) == 300
