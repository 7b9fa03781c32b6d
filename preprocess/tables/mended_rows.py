"""The rows of a table, and what spreadsheets left in their cells that is no content."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mia_fairseq.data.formula_cells import unescaped
from preprocess.tables.table_text import is_error_value, mojibake

SHOWN_LINES = 10  # of those that a message is about


@dataclass(frozen=True)
class SpreadsheetRow:
    """One row: the line of the file that it begins on, and its cells by column."""

    line: int
    cells: dict[str, str]


def without_marks(
    path: Path, rows: Sequence[SpreadsheetRow], tell: Callable[[str], None]
) -> list[SpreadsheetRow]:
    """The rows as they were before their formulas were marked as text (`formula_cells`)."""
    bare = [
        SpreadsheetRow(row.line, {name: unescaped(cell) for name, cell in row.cells.items()})
        for row in rows
    ]
    marked = [row.line for row, other in zip(rows, bare, strict=True) if row != other]
    if marked:
        tell(
            f"{path}: in {len(marked)} rows ({_lines(marked)}) an apostrophe before = + - @ is "
            "taken for the mark of a text that is no formula, and left out"
        )
    return bare


def without_errors(
    path: Path, rows: Sequence[SpreadsheetRow], tell: Callable[[str], None]
) -> list[SpreadsheetRow]:
    """The rows, an empty cell where a spreadsheet wrote the error of a formula."""
    mended = [
        SpreadsheetRow(
            row.line,
            {name: "" if is_error_value(cell) else cell for name, cell in row.cells.items()},
        )
        for row in rows
    ]
    changed = [place for place, row in enumerate(rows) if row != mended[place]]
    if changed:
        first = next(filter(is_error_value, rows[changed[0]].cells.values())).strip()
        tell(
            f"{path}: {len(changed)} rows ({_lines([rows[place].line for place in changed])}) hold "
            f"{first} or its like, the error of a formula; such a cell is taken as empty"
        )
    return mended


def tell_mojibake(path: Path, rows: Sequence[SpreadsheetRow], tell: Callable[[str], None]) -> None:
    """Tells of rows whose text was read in a wrong encoding before it was saved."""
    found = [(row.line, piece) for row in rows if (piece := mojibake(" ".join(row.cells.values())))]
    if found:
        tell(
            f"{path}: {len(found)} rows ({_lines([line for line, _ in found])}) hold "
            f"{found[0][1]!r} or its like: text of UTF-8 that was read as cp1252 before it was "
            "saved; it is left as it is"
        )


def _lines(numbers: Sequence[int]) -> str:
    """Lines as messages name them, the first few."""
    more = ", ..." if len(numbers) > SHOWN_LINES else ""
    return f"lines {', '.join(map(str, numbers[:SHOWN_LINES]))}{more}"
