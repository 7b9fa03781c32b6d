"""The page of costs is of the counts that were kept, and these are of today's fusions."""

import json
from pathlib import Path

import pytest

from examples import costs_page
from mia_fairseq.complexity.cost import SetUp, architectures, measure
from mia_fairseq.errors import InputError


def kept(name: str) -> dict:
    return json.loads((costs_page.KEPT / f"{name}.json").read_text())


def test_the_page_is_of_what_was_kept() -> None:
    costs_page.main(["--check"])


@pytest.mark.parametrize("name", sorted(costs_page.SET_UPS))
def test_what_was_kept_is_of_every_fusion(name: str) -> None:
    assert list(kept(name)["fusions"]) == architectures()


@pytest.mark.parametrize("arch", ["mia_net", "unimodal", "tcm_lstm", "cm_bert"])
def test_what_was_kept_is_counted_again(arch: str) -> None:
    report = kept("defaults")
    found = measure(arch, SetUp(report["modalities"])).to_json()
    assert report["fusions"][arch]["given"] == found, "python -m examples.costs_page --run"


def test_the_papers_figures_are_those_of_what_they_count() -> None:
    for _, _, parameters, theirs, operations, flops in costs_page.seen():
        assert (parameters, operations) == (theirs, flops)
    for printed, giga in ((9011.20, 8.80), (1116.16, 1.09)):
        assert giga * 1024 == pytest.approx(printed, abs=0.005)
    assert pytest.approx(8800, abs=5) == 6 * 1467.39


def test_another_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs_page, "PAGE", tmp_path / "costs.md")
    (tmp_path / "costs.md").write_text("another")
    with pytest.raises(InputError, match="is not of the counts kept"):
        costs_page.main(["--check"])
