"""The page of benchmarks is of the figures that were kept."""

import json
from pathlib import Path

import pytest

from examples import speed_page
from mia_fairseq.errors import InputError


def kept_runs(folder: Path) -> None:
    for number, value in enumerate((1.25, 1.5, 1.75), start=1):
        report = {
            "title": "A step",
            "setting": {"threads": 1},
            "tables": {"Times": [{"kind": "fast", "ms": 12.3456}]},
            "ratios": {"fast / floor": {"value": value, "low": 1.0, "high": 2.0}, "growth": 0.5},
            "notes": ["a note"],
        }
        (folder / f"training_step.{number}.json").write_text(json.dumps(report))


def test_the_page_is_of_what_was_kept() -> None:
    speed_page.main(["--check"])


def test_each_runs_ratio_is_shown(tmp_path: Path) -> None:
    kept_runs(tmp_path)
    text = speed_page.page(tmp_path)
    assert "| ratio | run 1 | run 2 | run 3 |" in text
    assert "| fast / floor | 1.250 (1.000 to 2.000) | 1.500 (1.000 to 2.000) | 1.750" in text
    assert "| growth | 0.5 | 0.5 | 0.5 |" in text and "| fast | 12.35 |" in text
    assert "the attention written out, the fast one, and the floor" in text and "A note.\n" in text


def test_a_picture_is_drawn_of_the_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sizes").mkdir()
    rows = [{"ms": n, "M operations": n, "MB moved": n, "peak MiB": n} for n in (1.0, 2.0)]
    tables = {axis: [{axis: 2, **row} for row in rows] for axis in ("dims", "frames", "modalities")}
    report = {"title": "Long", "setting": {}, "tables": tables, "ratios": {}, "notes": []}
    (tmp_path / "sizes" / "long_sequences.1.json").write_text(json.dumps(report))
    monkeypatch.setattr(speed_page, "PAGE", tmp_path / "speed.md")
    speed_page.draw_pictures(tmp_path)
    first = (tmp_path / "long_sequences.svg").read_bytes()
    speed_page.draw_pictures(tmp_path)
    assert (tmp_path / "long_sequences.svg").read_bytes() == first  # of the same figures
    assert b"modalities" in first and b"MB moved" in first
    assert "![Long](long_sequences.svg)" in speed_page.page(tmp_path)


def test_another_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speed.md").write_text("another")
    monkeypatch.setattr(speed_page, "PAGE", tmp_path / "speed.md")
    with pytest.raises(InputError, match="is not of the figures kept"):
        speed_page.main(["--check"])
