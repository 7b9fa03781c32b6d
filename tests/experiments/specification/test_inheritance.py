"""What an experiment's file inherits, and the values, groups and names that its rows take."""

from pathlib import Path

import pytest
import yaml

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.listing import merged_file
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.experiments.specification.inheritance import ancestry, fill, merged
from mia_fairseq.experiments.specification.run_flags import merged_flags

PARENT = """
inherits: nothing
claim: A.
needs: n
status: s
values: {encoder: small, name: first}
flags: {encoder: "text=hf:{encoder}", epochs: 10, lr: 1}
by_label: {classes: {criterion: ce_krl}}
groups:
  learning: {scale: 0.05, lr: 2}
  text: {arch: unimodal}
reference: "{name}, {encoder}"
runs:
  "{name}, {encoder}": {use: [learning, text]}
  second: {flags: {lr: 3, max: "{encoder}"}}
"""
CHILD = """
inherits: parent.yaml
values: {encoder: large}
flags: {epochs: 5, lr: null}
groups: {learning: {scale: 0.03}}
"""


@pytest.fixture
def child(tmp_path: Path) -> Path:
    (tmp_path / "parent.yaml").write_text(PARENT)
    (tmp_path / "child.yaml").write_text(CHILD)
    return tmp_path / "child.yaml"


def test_keys_are_joined_and_the_child_wins(child: Path) -> None:
    loaded = load(str(child))
    assert [row.name for row in loaded.rows] == ["first, large", "second"]
    assert loaded.reference == "first, large" and loaded.claim == "A."
    first, second = (merged_flags(row, "classes") for row in loaded.rows)
    assert first == {
        **{"encoder": "text=hf:large", "epochs": 5, "criterion": "ce_krl"},
        **{"scale": 0.03, "arch": "unimodal", "lr": 2},
    }
    assert second["lr"] == 3 and second["max"] == "large"
    assert ancestry(child) == ["child.yaml", "parent.yaml"]


def test_what_is_not_joined_is_replaced(child: Path) -> None:
    child.write_text(CHILD + "runs: {only: {use: [text]}}\nreference: only\n")
    assert [row.name for row in load(str(child)).rows] == ["only"]


def test_base_is_inherited_unless_a_file_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("claim: c.\nneeds: n\nstatus: s\nflags: {channels: 2}\nruns: {a: {}}\n")
    flags = merged_flags(load(str(file)).rows[0], "regression")
    base = merged_flags(load("table1").rows[0], "regression")
    assert flags == {**base, "channels": 2}
    file.write_text(file.read_text() + "inherits: nothing\n")
    assert merged_flags(load(str(file)).rows[0], "regression") == {"channels": 2}


def test_print_shows_the_merged_file_as_comments(child: Path) -> None:
    first, *lines = merged_file(str(child)).splitlines()
    assert first == "# child.yaml inherits parent.yaml:"
    assert yaml.safe_load("\n".join(line[2:] for line in lines)) == merged(child)


def test_a_value_alone_keeps_its_kind() -> None:
    assert fill({"{a}": ["{b}", "x{b}", "{c}"]}, {"a": "k", "b": 3}) == {"k": [3, "x3", "{c}"]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("inherits: child.yaml", "inherits from itself"),
        ("inherits: nobody", "inherits 'nobody', which is not there"),
        ("runs: {a: {use: [lerning]}}", "'lerning', which is no group"),
        ("runs: {a: {flag: {}}}", "'flag', which is no key"),
        ("runs: {a: {after: b}}", "'b', which is no row"),
        ("runs: {a: {data: MOSI}}", "'MOSI', which is no folder of data"),
        ("runs: {'{name}': {}, first: {}}", "reference"),
    ],
)
def test_what_names_nothing_is_told(child: Path, change: str, told: str) -> None:
    key = change.partition(":")[0]
    kept = "" if key == "inherits" else "inherits: parent.yaml\n"
    child.write_text(f"{kept}{change}\n")
    with pytest.raises(InputError, match=told):
        load(str(child))
