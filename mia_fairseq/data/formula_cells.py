"""Names and words that a spreadsheet would run as formulas, marked as text and read again.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end gets an apostrophe in front,
as OWASP's page on CSV injection has it; so does one that begins with apostrophes before those, so
that `unescaped` gives every cell back as it was. Numbers are no such cells and stay.
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r\n]")


def escaped(cell: str) -> str:
    """A cell of words as CSV for spreadsheets may hold it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """The inverse of `escaped`."""
    return cell[1:] if _ESCAPED.match(cell) else cell
