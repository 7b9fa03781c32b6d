"""The rows of a workbook's first sheet (``.xlsx``), as a table of text would have them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device
from mia_fairseq.pretrained.libraries import require
from preprocess.tables.table_text import mended_controls


def sheet_records(path: Path, tell: Callable[[str], None]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a workbook's first sheet, all rows as wide as the widest.

    Args:
        path: the workbook.
        tell: takes a sentence on each thing that whoever made it should know.

    Raises:
        InputError: it cannot be read, or a formula has no value stored with it.
    """
    check_is_no_device(path)
    values, title, others = _first_sheet(path, data_only=True)
    formulas, _, _ = _first_sheet(path, data_only=False)
    for line, (row, written) in enumerate(zip(values, formulas, strict=True), 1):
        for place, (value, formula) in enumerate(zip(row, written, strict=True), 1):
            if value is None and formula is not None:
                raise InputError(
                    f"{path}, line {line}: the formula in column {place} has no value stored; open "
                    "the workbook in a spreadsheet program and save it, or put values there"
                )
    if others:
        tell(f"{path}: sheet {title!r} is read, not {', '.join(map(repr, others))}")
    rows = [[mended_controls(_cell_text(value)) for value in row] for row in values]
    width = max((place for row in rows for place, cell in enumerate(row, 1) if cell), default=0)
    for line, cells in enumerate(rows, 1):
        yield line, [*cells, *[""] * width][:width]


def _first_sheet(path: Path, *, data_only: bool) -> tuple[list[tuple[Any, ...]], str, list[str]]:
    """The rows of the first sheet, its title, and the other sheets'.

    Args:
        path: the workbook.
        data_only: the values of formulas instead of their text.
    """
    openpyxl = require("openpyxl", "openpyxl", "reading .xlsx")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=data_only)
        sheet, *more = book.worksheets
        sheet.reset_dimensions()  # what a file says of its own size may be wrong
        rows = [tuple(row) for row in sheet.iter_rows(values_only=True)]
        book.close()
    except Exception as error:  # of zipfile, of XML, of openpyxl: its list is open
        raise InputError(f"{path}: cannot be read as .xlsx ({error}); save it again") from error
    return rows, sheet.title, [other.title for other in more]


def _cell_text(value: Any) -> str:
    """A cell as a table of text would have it: whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
