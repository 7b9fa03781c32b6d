"""Routing weights and gates as the report tells them."""

from pathlib import Path

from mia_fairseq.report.fusion_parts import fusion_part_notes
from mia_fairseq.report.run_results import Seed, Table, TableRow


def seed(number: int, parts: dict | None) -> Seed:
    return Seed(number, Path(), {"n": 3, **({"parts": parts} if parts else {})}, None)


def test_parts_are_averaged_over_seeds_and_rows_without_any_are_silent() -> None:
    routing = TableRow("Routing", seeds=[
        seed(1, {"routing/text": [0.2, 0.4], "gate": 0.5, "extra": [1.0]}),
        seed(2, {"routing/text": [0.4, 0.0], "gate": 0.7}),
    ])  # fmt: skip
    table = Table("corpus", "data", "test", [routing, TableRow("concat", seeds=[seed(1, None)])])
    assert fusion_part_notes(table) == [
        "Routing, what its fusion did, on average: routing/text 0.300 0.200; gate 0.600"
    ]
    assert fusion_part_notes(Table("corpus", "data", "test", [TableRow("none")])) == []
