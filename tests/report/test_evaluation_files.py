"""Results and predictions of other types, numbers or rows are told and not shown."""

import json
from pathlib import Path

import pytest

from mia_fairseq.report.evaluation_files import read_predictions, read_results


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "format list"),
        ({"format": 0}, "format 0, this version reads 1"),
        ({"format": 1, "n": "x"}, "n is 'x', expected int"),
        ({"format": 1}, "n is None, expected the number of rows"),
        ({"format": 1, "n": 3, "f1": [1]}, "f1 is"),
        ({"format": 1, "n": 3, "corpus": None}, "corpus is 'None', expected str"),
    ],
)
def test_results_of_other_types_are_told(tmp_path: Path, content: object, told: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=told):
        read_results(tmp_path / "a.json")


HEADER = "id\tlabel\tprediction"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{HEADER}\na\t1\tnan\n", "no finite number"),
        (f"{HEADER}\na\tinf\t1\n", "no finite number"),
        (f"{HEADER}\na\t1\n", "line 2 has not 3 cells"),
        (f"{HEADER}\na\t1\t2\n\n", "line 3 has not 3 cells"),
        (f"{HEADER}\n", "no rows"),
        (f"{HEADER}\na\t1\t2\na\t1\t2\n", "an id is empty or stands twice"),
        (f"{HEADER}\tgroup\na\t1\t2\n", "line 2 has not 4 cells"),
        (f"{HEADER}\tp_x\tp_y\na\tx\tz\t.5\t.5\n", "not in tuple"),
        ("id\tlabel\n", "columns"),
    ],
)
def test_predictions_that_are_none_are_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    found, problem = read_predictions(tmp_path / "a.tsv")
    assert found is None and told in problem


def test_a_line_ends_where_a_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(f"{HEADER}\r\na\u2028b\t1\t2\r\nc\x85\t1\t2\r\n".encode())
    found, problem = read_predictions(tmp_path / "a.tsv")
    assert found is not None and found.ids == ("a\u2028b", "c\x85") and not problem


def test_several_labels_of_a_row_are_read_or_told(tmp_path: Path) -> None:
    head, file = f"{HEADER}\tp_x\tp_y\n", tmp_path / "a.tsv"
    file.write_text(f"{head}a\tx+y\ty\t.5\t.5\nb\t-\tx\t.5\t.5\n")
    found, _ = read_predictions(file, several=True)
    assert found is not None and found.several
    assert found.truth.tolist() == [3, 0] and found.prediction.tolist() == [2, 1]
    file.write_text(f"{head}a\tx+z\ty\t.5\t.5\n")
    found, problem = read_predictions(file, several=True)
    assert found is None and "label 'x+z' has 'z'" in problem
