"""Tables as people and spreadsheets write them: the one reader of all commands.

Cells are apart by commas, semicolons or tabs, whichever gives the header its columns; encodings are
those of `preprocess.tables.table_text`; ``.xlsx`` is read through openpyxl. Names of columns count
without their case. What cannot be read for sure is refused with its line: an odd quotation mark, a
missing or an extra cell, a column twice. A table never has fewer rows than its file.
"""

import csv
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mia_fairseq.data.format.labels import is_number
from mia_fairseq.errors import InputError
from preprocess.tables.mended_rows import (
    SpreadsheetRow,
    tell_mojibake,
    without_errors,
    without_marks,
)
from preprocess.tables.table_text import read_text
from preprocess.tables.workbook_records import sheet_records

logger = logging.getLogger(__name__)

SEPARATORS = (",", ";", "\t")
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
CELL_LIMIT = 1 << 26  # characters; csv's own limit is 128 Ki


@dataclass(frozen=True)
class Spreadsheet:
    """A table.

    Attributes:
        path: its file.
        columns: their names, spelt as they are known here.
        rows: in the file's order.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[SpreadsheetRow]

    def where(self, row: SpreadsheetRow) -> str:
        """A row's place, for messages."""
        return f"{self.path}, line {row.line}"


def read_table(
    path: Path,
    required: Sequence[str] = (),
    known: Sequence[str] = (),
    tell: Callable[[str], None] = logger.warning,
) -> Spreadsheet:
    """Reads a table.

    Args:
        path: ``.csv``, ``.tsv``, any text, or ``.xlsx``.
        required: columns that it must have.
        known: further columns that it may have; both are found whatever their case.
        tell: takes a sentence on each thing that whoever made the table should know.

    Raises:
        InputError: it cannot be read, lacks a column or has it twice, or a row is not whole.
    """
    if path.suffix.lower() == ".xls":
        raise InputError(f"{path}: is of Excel's old format; save it as .xlsx or .csv")
    names = (*required, *known)
    sheet = path.suffix.lower() in (".xlsx", ".xlsm")
    records = (
        sheet_records(path, tell) if sheet else text_records(path, read_text(path, tell), names)
    )
    header = next(records, (1, []))[1]
    body = [(line, cells) for line, cells in records if any(map(str.strip, cells))]
    columns = _columns(path, header, names, body)
    for column in required:
        if column not in columns:
            there = ", ".join(columns) or "none at all"
            raise InputError(f"{path}: it has no column {column!r}, but {there}")
    rows = [
        SpreadsheetRow(
            line, {name: cell for name, cell in zip(columns, cells, strict=True) if name}
        )
        for line, cells in _whole_rows(path, len(columns), body)
    ]
    if not sheet:
        rows = without_marks(path, rows, tell)
    rows = without_errors(path, rows, tell)
    tell_mojibake(path, rows, tell)
    return Spreadsheet(path, tuple(filter(None, columns)), rows)


def read_number(text: str) -> float:
    """A number as tables have it, with a decimal point or a decimal comma.

    Raises:
        ValueError: it is none.
    """
    pointed = with_point(text)
    if not is_number(pointed):  # Python would take 1_000, nan and other digits too
        raise ValueError(f"{text!r} is no number")
    return float(pointed)


def read_whole(text: str) -> int:
    """A whole number as tables have it; ``3.0`` is 3.

    Raises:
        ValueError: it is none.
    """
    number = read_number(text)
    if not number.is_integer():
        raise ValueError(f"{text!r} is no whole number")
    return int(number)


def with_point(text: str) -> str:
    """A number with its decimal comma as a point; any other text as it is."""
    return text.replace(",", ".") if DECIMAL_COMMA.fullmatch(text) else text


def text_records(
    path: Path, text: str, names: Sequence[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a table's text, the header first; lines without any character are none.

    Raises:
        InputError: a quotation mark is odd; the line is named.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.partition("\n")
    declared = re.fullmatch(r"sep=(.)", first)  # Excel's own way to say it
    separator = declared[1] if declared else _separator(first, names)
    lines = (rest if declared else text).split("\n")
    skipped = 1 if declared else 0
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    begin, width = 0, 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _odd_quotation(path, begin + skipped + 1, str(error)) from error
        if cells is None:
            return
        physical = lines[begin : reader.line_num]
        if sum(line.count('"') for line in physical) % 2 or (
            len(physical) > 1 and width > 1 and _are_rows(physical, separator, width)
        ):
            raise _odd_quotation(path, begin + skipped + 1, f"it runs over {len(physical)} lines")
        if any(physical):
            width = width or len(cells)
            yield begin + skipped + 1, cells
        begin = reader.line_num


def _are_rows(lines: Sequence[str], separator: str, width: int) -> bool:
    """Whether each line of a cell might be a row by itself: it has just a row's separators.

    A separator before a space may be a sentence's, and then one is too few.
    """
    return all(
        line.count(separator) == len(re.findall(rf"{re.escape(separator)}(?! )", line)) == width - 1
        for line in lines
    )


def _odd_quotation(path: Path, line: int, why: str) -> InputError:
    return InputError(
        f'{path}, line {line}: a quotation mark (") is odd there ({why}); a cell that holds one '
        "stands in quotation marks, with each of its own doubled"
    )


def _separator(header: str, names: Sequence[str]) -> str:
    """The separator that gives the header most of its known columns, or else most columns."""

    def worth(separator: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=separator), [])
        found = {cell.strip().casefold() for cell in cells} & {name.casefold() for name in names}
        return len(found), len(cells)

    return max(SEPARATORS, key=worth)


def _columns(
    path: Path,
    header: Sequence[str],
    names: Sequence[str],
    body: Sequence[tuple[int, list[str]]],
) -> list[str]:
    """The header's columns as they are spelt here; '' is one without a name and without cells."""
    spelt = {name.casefold(): name for name in names}
    columns = [spelt.get(cell.strip().casefold(), cell.strip()) for cell in header]
    for place, column in enumerate(columns):
        if column and columns.count(column) > 1:
            raise InputError(
                f"{path}, line 1: column {column!r} stands there {columns.count(column)} times; "
                "rename or delete all but one"
            )
        filled = [line for line, cells in body if len(cells) > place and cells[place].strip()]
        if not column and filled:
            raise InputError(
                f"{path}, line 1: column {place + 1} has no name, and a cell on line {filled[0]}; "
                "name it or delete it"
            )
    return columns


def _whole_rows(
    path: Path, width: int, body: Sequence[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    for line, cells in body:
        if len(cells) != width:
            raise InputError(
                f"{path}, line {line}: it has {len(cells)} cells, the header {width}; mend the "
                "line, or put the cell that holds the separator in quotation marks"
            )
        yield line, cells
