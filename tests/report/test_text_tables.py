"""What Markdown says of a row is said in the files for a spreadsheet and a paper as well."""

import csv
from pathlib import Path

import pytest
from made_up_runs import write_seed

from mia_fairseq.report import __main__ as report_module


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The report of a finished row, of one of two seeds, and of one that has no figures."""
    runs = tmp_path / "recipe"
    for folder in ("a/seed1", "a/seed2", "b_100%/seed1"):
        write_seed(runs / folder)
    for folder in ("b_100%/seed2", "none/seed1"):
        (runs / folder).mkdir(parents=True)
    out = tmp_path / "r.html"
    report_module.main([str(runs), "--out", str(out), "--no-attention", "--csv", "--latex"])
    return out


def test_a_spreadsheet_has_each_rows_notes(written: Path) -> None:
    with written.with_suffix(".csv").open() as table:
        lines = list(csv.DictReader(table))
    notes = {line["row"]: line["notes"] for line in lines}
    assert notes == {"a": "", "b 100%": "1 seeds are not finished", "none": notes["none"]}
    (nothing,) = [line for line in lines if line["row"] == "none"]
    assert nothing["notes"] == "1 seeds are not finished"
    assert (nothing["seeds"], nothing["mean"], nothing["low"]) == ("0", "", "")
    assert all(line["mean"] for line in lines if line is not nothing)


def test_a_paper_has_notes_as_comments_above_each_table(written: Path) -> None:
    text = written.with_suffix(".tex").read_text()
    tables = text.split("\n\n")[1:]
    assert len(tables) == 2 and all("% recipe: " in table for table in tables)
    above = tables[0].partition(r"\begin{tabular}")[0].splitlines()
    assert "% b 100%: 1 seeds are not finished" in above
    assert any(line.startswith("% A row of one seed tells nothing") for line in above)
    assert all(line.startswith("%") for line in above)
    assert "% none: 1 seeds are not finished" in tables[1]
