"""The rows of a workbook's first sheet (``.xlsx``), as a table of text would have them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require


def sheet_records(path: Path, tell: Callable[[str], None]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a workbook's first sheet, all rows as wide as the widest."""
    openpyxl = require("openpyxl", "openpyxl", "reading .xlsx")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        others = [other.title for other in book.worksheets[1:]]
        rows = [[_cell_text(value) for value in row] for row in sheet.iter_rows(values_only=True)]
        book.close()
    except Exception as error:  # of zipfile, of XML, of openpyxl: its list is open
        raise InputError(f"{path}: cannot be read as .xlsx ({error}); save it again") from error
    if others:
        tell(f"{path}: sheet {sheet.title!r} is read, not {', '.join(map(repr, others))}")
    width = max((place for row in rows for place, cell in enumerate(row, 1) if cell), default=0)
    for line, row in enumerate(rows, 1):
        yield line, [*row, *[""] * width][:width]


def _cell_text(value: Any) -> str:
    """A cell as a table of text would have it: whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
