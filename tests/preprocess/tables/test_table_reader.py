"""The one reader of tables: what spreadsheets write is read, doubtful lines are refused."""

import csv
import io
import random
import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from mia_fairseq.data.formula_cells import unescaped
from mia_fairseq.errors import InputError
from preprocess.tables.table_reader import read_number, read_table, read_whole

ROWS = [["id", "label", "text"], ["a", "1,5", "“Hi”, said Zoë; then\tleft"], ["b", "-2", ""]]
WANTED = [dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]


def written(separator: str, line_end: str = "\r\n", rows: list[list[str]] = ROWS) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=line_end).writerows(rows)
    return out.getvalue()


def read(path: Path, *required: str) -> tuple[list[dict[str, str]], list[str]]:
    told: list[str] = []
    table = read_table(path, required, ("id", "label", "text"), told.append)
    return [row.cells for row in table.rows], told


def bad(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        read(path, "id", "label")
    return str(refusal.value).removeprefix(str(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_spreadsheets_write_is_read(
    tmp_path: Path, encoding: str, separator: str, line_end: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(written(separator, line_end).encode(encoding))
    rows, told = read(path, "id", "label")
    assert rows == WANTED
    assert len(told) == (encoding == "cp1252")


def test_excels_declared_separator_trailing_rows_and_case(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"sep=;\r\n ID ;Label;\r\na;1;\r\nb;2;\r\n;;\r\n;;\r\n\r\n")
    assert read(path, "id", "label")[0] == [{"id": "a", "label": "1"}, {"id": "b", "label": "2"}]


def test_a_workbooks_first_sheet_is_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Id", "label", "text"], ["a", 1.5, "hi,\nyou"], [7, 2.0, None], [None] * 3):
        book.active.append(row)
    book.create_sheet("notes").append(["x"])
    book.save(tmp_path / "t.xlsx")
    rows, told = read(tmp_path / "t.xlsx", "id", "label")
    assert rows == [
        {"id": "a", "label": "1.5", "text": "hi,\nyou"},
        {"id": "7", "label": "2", "text": ""},
    ]
    assert "sheet 'Sheet' is read, not 'notes'" in told[0]
    (tmp_path / "u.xlsx").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match=r"cannot be read as \.xlsx"):
        read(tmp_path / "u.xlsx")
    with pytest.raises(InputError, match=r"old format; save it as \.xlsx"):
        read(tmp_path / "t.xls")


def test_no_row_of_a_workbook_is_lost_and_no_formula_is_empty(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["id", "label", "text"], *([f"a{n}", n, "it\u0092s"] for n in range(5))):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    short = re.compile(rb'<dimension ref="[^"]*"')
    with (
        zipfile.ZipFile(tmp_path / "t.xlsx") as file,
        zipfile.ZipFile(tmp_path / "short.xlsx", "w") as other,
    ):
        for name in file.namelist():
            content = short.sub(b'<dimension ref="A1:B2"', file.read(name))
            assert content != file.read(name) or "sheet1.xml" not in name
            other.writestr(name, content)
    rows, _ = read(tmp_path / "short.xlsx", "id", "label")
    assert rows == [{"id": f"a{n}", "label": str(n), "text": "it’s"} for n in range(5)]
    book.active["C3"] = "=A1&B2"
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match="line 3: the formula in column 3 has no value stored"):
        read(tmp_path / "t.xlsx", "id", "label")


def test_any_one_character_changed_is_refused_or_no_row_is_lost(tmp_path: Path) -> None:
    path, whole = tmp_path / "t.csv", 'id,label,text\na,1,hi there\nb,2,"x, y"\nc,3,"say ""no"""\n'
    outcomes = Counter[str]()
    for place in range(len(whole)):
        for new in ("", *'",;\n\t\r', '"' + whole[place], "," + whole[place], "\n" + whole[place]):
            text = whole[:place] + new + whole[place + 1 :]
            path.write_text(text, encoding="utf-8", newline="")
            lines = [line for line in re.split("\r\n|\r|\n", text) if line.strip(' ,;\t"')]
            try:
                rows, _ = read(path, "id", "label")
            except InputError:
                outcomes["refused"] += 1
                continue
            spread = sum("\n" in cell for row in rows for cell in row.values())  # over two lines
            assert len(rows) + spread >= len(lines) - 1, text
            outcomes["read"] += 1
    assert outcomes["read"] > 100 and outcomes["refused"] > 100


def test_what_is_written_in_any_way_is_read_as_it_was(tmp_path: Path) -> None:
    draw = random.Random(0)
    alphabet = ["a", "Zoë", "“”", ",", ";", "\t", '"', "\n", " ", "1,5", "'", "=", "-", "€", "’"]
    for number in range(200):
        rows = [
            [f"r{place}", draw.choice(["1,5", "-2", "joy"]), "".join(draw.choices(alphabet, k=9))]
            for place in range(draw.randrange(1, 6))
        ]
        encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
        path = tmp_path / f"{number}.csv"
        text = written(draw.choice(",;\t"), draw.choice(["\n", "\r\n"]), [ROWS[0], *rows])
        path.write_bytes(text.encode(encoding))
        try:
            found, _ = read(path, "id", "label")
        except InputError as refusal:
            assert "quotation mark" in str(refusal), text  # one that could be odd, by its lines
            assert any("\n" in row[2] for row in rows)
            continue
        assert [list(row.values()) for row in found] == [
            [*row[:2], unescaped(row[2])] for row in rows
        ]


def test_a_cell_may_run_over_lines_and_lines_are_counted_as_editors_do(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,label,text\na,1,"hi,\n\nyou"\n\nb,2,"say ""yes"""\n')
    table = read_table(path, ("id",))
    assert [(row.line, row.cells["text"]) for row in table.rows] == [
        (2, "hi,\n\nyou"),
        (6, 'say "yes"'),
    ]


def test_a_cell_of_two_lines_with_a_comma_in_each_is_no_odd_quotation(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,text,label\na,"Well, yes\nI do, sure",1\nb,ok,2\n')
    assert read(path, "id", "label")[0] == [
        {"id": "a", "text": "Well, yes\nI do, sure", "label": "1"},
        {"id": "b", "text": "ok", "label": "2"},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('id,label,text\na,1,"hi\nb,2,ho\n', ", line 2: a quotation mark"),
        ('id,label,text\na,"1,hi\nb,2",ho\n', ", line 2: a quotation mark"),
        ('id,label,text\na,1,5" tall\nb,2,ho\n', ", line 2: a quotation mark"),
        ('id,label,text\na,1,"hi"ho\n', ", line 2: a quotation mark"),
        ('id,text,label\na,"hi,1\nb,word",2\nc,ho,3\n', ", line 2: a quotation mark"),
        ('id\ttext\tgroup\tlabel\na\t"hi\t\t1\nb\tho"\t\t2\n', ", line 2: a quotation mark"),
        ("id,label,text\na,1,x\nb,2\n", ", line 3: it has 2 cells, the header 3"),
        ("id,label,text\na,1,x,y\n", ", line 2: it has 4 cells, the header 3"),
        ("id,label,ID\na,1,b\n", ", line 1: column 'id' stands there 2 times"),
        ("id,label,\na,1,b\n", ", line 1: column 3 has no name, and a cell on line 2"),
        ("id,text\na,b\n", ": it has no column 'label', but id, text"),
        ("", ": it has no column 'id', but none at all"),
    ],
)
def test_what_is_doubtful_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    assert bad(tmp_path / "t.csv", text).startswith(words)


def test_bytes_of_no_encoding_are_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,label\na,1\nb\x81,2\n")
    with pytest.raises(InputError, match="line 3: byte 0x81 is neither UTF-8 nor cp1252"):
        read(tmp_path / "t.csv")


def test_control_characters_become_what_they_stand_for_and_mojibake_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text\na,it\u0092s \u0093so\u0094\u0085\nb,itâ€™s\nc,Ã©\nd,Â£\n", "utf-8")
    rows, told = read(path)
    assert [row["text"] for row in rows] == ["it’s “so”…", "itâ€™s", "Ã©", "Â£"]
    assert "4 control characters are read as the cp1252 ones" in told[0]
    assert "3 rows (lines 3, 4, 5) hold 'â€™'" in told[1]


def test_numbers_have_a_point_or_a_comma() -> None:
    assert [read_number(text) for text in ("1.5", "1,5", " -0,25 ", "3")] == [1.5, 1.5, -0.25, 3.0]
    for text in ("1.234,5", "1,2,3", "", "a,b", "1_000", "nan", "inf", "١"):
        with pytest.raises(ValueError):
            read_number(text)
    assert [read_whole(text) for text in ("3", "3.0", "-1", "3,0")] == [3, 3, -1, 3]
    with pytest.raises(ValueError):
        read_whole("3.5")
