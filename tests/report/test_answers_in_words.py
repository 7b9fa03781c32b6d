"""What a table says in a sentence, and in a line of the overview: who leads, against whom."""

import pytest

from mia_fairseq.report.answers_in_words import answer
from mia_fairseq.report.comparison import Cell, ShownRow, ShownTable
from mia_fairseq.report.resampling.intervals import Comparison


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


def test_no_run_is_finished() -> None:
    empty = table(0.0, 1.0)
    empty.points = {}
    assert answer(empty) is None
