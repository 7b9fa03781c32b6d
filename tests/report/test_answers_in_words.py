"""What a table says in a sentence, and in a line of the overview: who leads, against whom."""

import pytest

from mia_fairseq.report.answers_in_words import answer
from mia_fairseq.report.resampling.intervals import Comparison
from mia_fairseq.report.shown_tables import Cell, ShownRow, ShownTable, too_few


def table(difference: float, corrected: float) -> ShownTable:
    """Of a reference with an accuracy of .8, and a row that differs from it."""
    low, high = difference - 0.01, difference + 0.02
    other = ShownRow(
        "MISA",
        "3",
        [Cell(0.8 + difference, 0.004)],
        Comparison(difference, low, high, 0.012),
        "MIA-Net",
        corrected=corrected,
    )
    rows = [ShownRow("MIA-Net", "3", [Cell(0.8)]), other]
    points = {row.name: (row.cells[0].mean or 0.0, 0.0, 1.0) for row in rows}
    return ShownTable("RAVDESS, test rows", ("accuracy",), "accuracy", "MIA-Net", rows, points)


@pytest.mark.parametrize(
    ("corrected", "verdict", "kind"), [(0.2, "not settled", ""), (0.01, "settled", "better")]
)
def test_a_row_that_leads_the_reference(corrected: float, verdict: str, kind: str) -> None:
    said = answer(table(0.016, corrected))
    assert said is not None
    assert (said.leader, said.figure) == ("MISA", "accuracy 0.816 ± 0.004")
    assert said.difference == "+0.016 [+0.006, +0.036] against MIA-Net"
    assert (said.verdict, said.kind) == (verdict, kind)
    assert f"{corrected:.3f} for all rows that were compared" in said.text


def test_the_reference_leads() -> None:
    said = answer(table(-0.05, 0.01))
    assert said is not None
    assert (said.leader, said.figure) == ("MIA-Net", "accuracy 0.800")
    assert said.difference == "next is MISA, -0.050 [-0.060, -0.030]" and said.verdict == "settled"


def test_of_few_rows_nothing_is_settled() -> None:
    ahead, behind = table(0.016, 0.01), table(-0.05, 0.01)
    for few in (ahead, behind):
        few.rows[1].too_few = "8 test rows"
        said = answer(few)
        assert said is not None and not few.rows[1].settled
        assert (said.verdict, said.kind) == ("only 8 test rows: too few to tell", "")
        assert "beyond chance" not in said.text and "tells nothing yet (only 8 test" in said.text


def test_of_a_bootstrap_twenty_rows_or_groups_are_the_fewest() -> None:
    assert too_few(range(19), ()) == "19 test rows" and too_few(range(20), ()) == ""
    groups = [f"actor{i % 5}" for i in range(100)]
    assert too_few(range(100), groups) == "5 groups of rows"
    assert too_few(range(100), [f"actor{i % 24}" for i in range(100)]) == ""


def test_no_run_is_finished() -> None:
    empty = table(0.0, 1.0)
    empty.points = {}
    assert answer(empty) is None
