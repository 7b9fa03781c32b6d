"""The table of a split: rows come back as written, every broken line is named, memory is small."""

import tracemalloc
from pathlib import Path

import pytest
from harness import EMOTIONS, SCORES

from mia_fairseq.data.format.rows import RowTable, Utterance
from mia_fairseq.errors import InputError

HEADER = "id\tlabel\ttext\tgroup\tposition\n"


def table(path: Path, text: str | bytes, label=SCORES) -> RowTable:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return RowTable(path, label)


def test_rows_are_read_when_asked_for_in_any_order(tmp_path: Path) -> None:
    text = HEADER + "a\t-2.5\tça va\tv\t-3\nb\t3\t\t\t\nc\t0.1\t" + "long " * 5000 + "\tw\t12\n"
    rows = table(tmp_path / "t.tsv", text)
    expected = [
        Utterance("a", -2.5, "ça va", "v", -3),
        Utterance("b", 3.0),
        Utterance("c", 0.1, "long " * 5000, "w", 12),
    ]
    assert [rows[2], rows[0], rows[1]] == [expected[2], *expected[:2]]
    assert list(rows) == expected and rows[-1] == expected[-1] and len(rows) == 3
    assert rows.labels.tolist() == [-2.5, 3.0, 0.1]
    with pytest.raises(IndexError):
        rows[3]


def test_columns_may_stand_in_any_order_and_be_left_out(tmp_path: Path) -> None:
    rows = table(tmp_path / "t.tsv", "group\tlabel\tnote\tid\nv\tjoy\tx\ta\n\tanger\t\tb", EMOTIONS)
    assert list(rows) == [Utterance("a", 1.0, group="v"), Utterance("b", 2.0)]


def test_windows_line_ends_and_empty_lines_count_for_nothing_but_the_line_number(
    tmp_path: Path,
) -> None:
    rows = table(tmp_path / "t.tsv", "id\tlabel\ttext\r\na\t1\tx\r\n\r\n\nb\t2\ty\r\n\n")
    assert list(rows) == [Utterance("a", 1.0, "x"), Utterance("b", 2.0, "y")]
    with pytest.raises(InputError, match=r"line 5 \(row 'b'\): label '9'"):
        table(tmp_path / "t.tsv", "id\tlabel\r\na\t1\r\n\r\n\nb\t9\r\n")


BROKEN = {
    "no id": ("\t1\t\t\t\n", "line 3: id or label is empty"),
    "no label": ("b\t\t\t\t\n", "line 3: id or label is empty"),
    "nothing but the id": ("b\n", "line 3: id or label is empty"),
    "no score": ("b\t4\t\t\t\n", r"line 3 \(row 'b'\): label '4' is no score between -3 and 3"),
    "position": ("b\t1\t\tv\t1.5\n", "line 3: position '1.5' is no whole number"),
    "position of digits": ("b\t1\t\tv\t²\n", "line 3: position '²' is no whole number"),
    "bytes": (b"b\t1\t\xff\t\t\n", "line 3: is no UTF-8"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_line_is_named_when_the_table_is_opened(tmp_path: Path, case: str) -> None:
    line, words = BROKEN[case]
    data = (HEADER + "a\t1\tx\t\t\n").encode()
    data += line if isinstance(line, bytes) else line.encode()
    with pytest.raises(InputError, match=f"t.tsv, {words}"):
        table(tmp_path / "t.tsv", data + b"c\t1\t\t\t\n")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no column 'label'"):
        table(tmp_path / "t.tsv", "id\tscore\na\t1\n")
    with pytest.raises(InputError, match="has no column 'id'"):
        table(tmp_path / "t.tsv", "")


def test_a_table_that_is_replaced_meanwhile_stays_the_one_that_was_opened(tmp_path: Path) -> None:
    rows = table(tmp_path / "t.tsv", HEADER + "a\t1\told\t\t\n")
    (tmp_path / "new").write_text(HEADER + "b\t2\tnew\t\t\n")
    (tmp_path / "new").replace(tmp_path / "t.tsv")
    assert rows[0] == Utterance("a", 1.0, "old")


def test_what_stays_in_memory_is_a_few_bytes_a_row(tmp_path: Path) -> None:
    count = 20000
    lines = (f"row{i}\t{i % 3}\tsome words of row {i}\tg{i // 9}\t{i % 9}\n" for i in range(count))
    (tmp_path / "t.tsv").write_text(HEADER + "".join(lines))
    tracemalloc.start()
    try:
        rows = RowTable(tmp_path / "t.tsv", SCORES)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows) == count and held < 24 * count
