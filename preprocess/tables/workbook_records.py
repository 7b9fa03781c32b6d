"""The rows of a workbook's first sheet (``.xlsx``), as a table of text would have them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device
from mia_fairseq.pretrained.libraries import require
from preprocess.tables.table_text import mended_controls

SHOWN = 10  # merged cells that a message names


@dataclass
class _Sheet:
    """The first sheet of a workbook.

    Attributes:
        rows: its values; rows and cells count from 1 in the rest.
        title: its name.
        others: the other sheets' names.
        merged: (first column, first row, last column, last row) of cells that are one.
        unanswered: (row, column) of formulas without a value.
    """

    rows: list[list[Any]]
    title: str
    others: list[str]
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    unanswered: list[tuple[int, int]] = field(default_factory=list)


def sheet_records(path: Path, tell: Callable[[str], None]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a workbook's first sheet, all rows as wide as the widest.

    Cells that are merged below the header have their value in each of their rows.

    Args:
        path: the workbook.
        tell: takes a sentence on each thing that whoever made it should know.

    Raises:
        InputError: it cannot be read, or a formula has no value stored with it.
    """
    check_is_no_device(path)
    sheet = _first_sheet(path)
    if sheet.unanswered:
        line, place = min(sheet.unanswered)
        raise InputError(
            f"{path}, line {line}: the formula in column {place} has no value stored; open "
            "the workbook in a spreadsheet program and save it, or put values there"
        )
    if sheet.others:
        tell(f"{path}: sheet {sheet.title!r} is read, not {', '.join(map(repr, sheet.others))}")
    filled = _fill_merged(sheet)
    if filled:
        more = ", ..." if len(filled) > SHOWN else ""
        tell(
            f"{path}: the value of merged cells ({', '.join(filled[:SHOWN])}{more}) is taken for "
            "each of their rows"
        )
    rows = [[mended_controls(_cell_text(value)) for value in row] for row in sheet.rows]
    width = max((place for row in rows for place, cell in enumerate(row, 1) if cell), default=0)
    for line, cells in enumerate(rows, 1):
        yield line, [*cells, *[""] * width][:width]


def _first_sheet(path: Path) -> _Sheet:
    openpyxl = require("openpyxl", "openpyxl", "reading .xlsx")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        first, *more = book.worksheets
        first.reset_dimensions()  # what a file says of its own size may be wrong
        rows = [list(row) for row in first.iter_rows(values_only=True)]
        sheet = _Sheet(rows, first.title, [other.title for other in more])
        with first._get_source() as source:
            _add_marks(sheet, source)
        book.close()
    except Exception as error:  # of zipfile, of XML, of openpyxl: its list is open
        raise InputError(f"{path}: cannot be read as .xlsx ({error}); save it again") from error
    return sheet


def _add_marks(sheet: _Sheet, source: IO[bytes]) -> None:
    """Finds in a sheet's XML what openpyxl's quick reading leaves out.

    A formula whose answer is an empty text has ``t="str"`` and an empty ``<v>``.
    """
    from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries

    line = 0
    for _, element in ElementTree.iterparse(source):
        name = _plain_name(element)
        if name == "mergeCell":
            sheet.merged.append(range_boundaries(element.get("ref")))
        if name != "row":
            continue
        line, place = int(element.get("r", line + 1)), 0
        for cell in element:
            place = coordinate_to_tuple(cell.get("r"))[1] if cell.get("r") else place + 1
            inside = {_plain_name(part): part.text for part in cell}
            answered = inside.get("v") or (cell.get("t") == "str" and "v" in inside)
            if "f" in inside and not answered and "is" not in inside:
                sheet.unanswered.append((line, place))
        element.clear()


def _plain_name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _fill_merged(sheet: _Sheet) -> list[str]:
    """Puts the value of merged cells into each of their rows; names those of two rows or more.

    Rows that hold nothing else stay empty, and so do further columns of what is merged.
    """
    from openpyxl.utils import get_column_letter

    filled = []
    used = [any(value is not None for value in row) for row in sheet.rows]
    for column, top, _, bottom in sorted(sheet.merged, key=lambda cells: cells[1::-1]):
        last = min(bottom, len(sheet.rows))
        value = _value(sheet, top, column) if 1 < top <= last else None
        if value is None or top == last:
            continue
        letter = get_column_letter(column)
        filled.append(f"{letter}{top}:{letter}{bottom}")
        for line in range(top + 1, last + 1):
            row = sheet.rows[line - 1]
            if used[line - 1] and _value(sheet, line, column) is None:
                row += [None] * (column - len(row))
                row[column - 1] = value
    return filled


def _value(sheet: _Sheet, line: int, column: int) -> Any:
    row = sheet.rows[line - 1]
    return row[column - 1] if column <= len(row) else None


def _cell_text(value: Any) -> str:
    """A cell as a table of text would have it: whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
