"""Workbooks: merged cells, formulas with an empty answer, and formulas that failed."""

import zipfile
from pathlib import Path

import openpyxl
import pytest

from mia_fairseq.errors import InputError
from preprocess.tables.table_reader import read_table


def read(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    told: list[str] = []
    table = read_table(path, ("id",), (), told.append)
    return [row.cells for row in table.rows], told


def put_cell(path: Path, place: str, cell: str) -> None:
    """Writes a cell's XML as Excel would, in place of openpyxl's."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    begin = sheet.index(f'<c r="{place}"')
    end = sheet.index("</c>", begin) + len("</c>")
    parts["xl/worksheets/sheet1.xml"] = (sheet[:begin] + cell + sheet[end:]).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)


def test_merged_cells_have_their_value_in_each_row(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["id", "label", "group", "text"], ["a", 1, "v0", "hi"], ["b", 2], ["c", 3, "v1"]):
        sheet.append(row)
    sheet.append(["d", 4, None, "both"])
    for cells in ("C2:C3", "C4:C900", "D5:E5", "A1:A1"):
        sheet.merge_cells(cells)
    book.save(tmp_path / "t.xlsx")
    rows, told = read(tmp_path / "t.xlsx")
    assert [row["group"] for row in rows] == ["v0", "v0", "v1", "v1"]
    assert [row["text"] for row in rows] == ["hi", "", "", "both"]
    (sentence,) = told
    assert "the value of merged cells (C2:C3, C4:C900) is taken for each" in sentence


def test_a_formula_whose_answer_is_an_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "text"], ["a", "hi"], ["b", "x"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    put_cell(tmp_path / "t.xlsx", "B3", '<c r="B3" t="str"><f>IF(Z3="","",Z3)</f><v></v></c>')
    assert read(tmp_path / "t.xlsx")[0] == [{"id": "a", "text": "hi"}, {"id": "b", "text": ""}]
    put_cell(tmp_path / "t.xlsx", "B3", '<c r="B3" t="str"><f>Z3</f></c>')
    with pytest.raises(InputError, match="line 3: the formula in column 2 has no value stored"):
        read(tmp_path / "t.xlsx")


def test_a_formula_that_failed_is_an_empty_cell_and_told(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "text", "group"], ["a", "hi", "#REF!"], ["b", "#N/A", "v"]):
        book.active.append(row)
    book.active["B3"].data_type = "e"
    book.save(tmp_path / "t.xlsx")
    rows, told = read(tmp_path / "t.xlsx")
    assert [list(row.values()) for row in rows] == [["a", "hi", ""], ["b", "", "v"]]
    assert "2 rows (lines 2, 3) hold #REF! or its like, the error of a formula" in told[0]
    (tmp_path / "t.csv").write_text("id;text;group\na;#NV;#BEZUG!\nb;#1! ;#WERT!\n")
    rows, told = read(tmp_path / "t.csv")
    assert [list(row.values()) for row in rows] == [["a", "", ""], ["b", "#1! ", ""]]
    assert "2 rows (lines 2, 3) hold #NV" in told[0]
