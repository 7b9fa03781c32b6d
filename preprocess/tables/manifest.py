"""The table of a corpus: one utterance a row, `manifest.tsv`.

Tab-separated with a header: ``id``, ``split``, ``label``, then any of ``path`` (of the media file,
relative to the manifest's folder), ``text``, ``start`` and ``end`` (seconds within that file),
``group`` (the video or the dialogue), ``position`` (within the group), ``speaker``, ``fold`` (a
whole number: the part of a cross-validation that tests the row), ``corpus``, and ``label.NAME`` of
further labels, such as of one modality (an empty cell: not known).
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mia_fairseq.data.format.labels import FURTHER, one_line
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole
from preprocess.tables.manifest_row import REQUIRED, read_row
from preprocess.tables.manifest_row import Row as Row
from preprocess.tables.table_text import decode_file

logger = logging.getLogger(__name__)

QUOTED = re.compile(r'"[^"]*""(?:[^"]|"")*"')


@dataclass(frozen=True)
class Fault:
    """A row that cannot be used, and why: left out, listed and counted."""

    id: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """The usable rows in order, the columns there are, and what had to be left out."""

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]
    faults: list[Fault] = field(default_factory=list)


def read_manifest(path: str | Path) -> Manifest:
    """Read and check a manifest.

    A row at fault (an id twice, no label, a number that is none) is left out and told in
    ``faults``.

    Raises:
        InputError: the table as a whole cannot be read.
    """
    path = Path(path)
    lines = decode_file(path, logger.warning).replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    known = [column.name for column in fields(Row) if column.name != "further"]
    names = [name.strip() for name in lines[0].split("	")] if lines else []
    columns = tuple(low if (low := name.casefold()) in known else name for name in names)
    for column in columns:
        further = column.startswith(FURTHER) and column != FURTHER
        if (column not in known and not further) or columns.count(column) > 1:
            raise InputError(
                f"{path}: its header has column {column!r} (unknown, or twice); "
                f"columns are {', '.join(known)}, separated by tabs"
            )
    for column in REQUIRED:
        if column not in columns:
            raise InputError(f"{path}: its header has no column {column!r}, got {columns}")
    _tell_quoted(path, lines)
    manifest = Manifest(path, columns, rows=[])
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        row_id = cells[columns.index("id")] if len(cells) == len(columns) else f"line {number}"
        try:
            if row_id in first_line:
                raise InputError(f"its id stands on line {first_line[row_id]} already")
            row = read_row(path.parent, columns, cells)
        except InputError as error:
            manifest.faults.append(Fault(row_id, f"{path.name}, line {number}: {error}"))
            continue
        first_line[row_id] = number
        manifest.rows.append(row)
    if not manifest.rows:
        raise InputError(f"{path}: it has no usable row, and {len(manifest.faults)} faulty ones")
    return manifest


def _tell_quoted(path: Path, lines: Sequence[str]) -> None:
    """Says so where cells look as a spreadsheet quotes them; a manifest quotes nothing."""
    quoted = [
        number
        for number, line in enumerate(lines, 1)
        if any(QUOTED.fullmatch(cell) for cell in line.split("\t"))
    ]
    if quoted:
        logger.warning(
            "%s: %d lines, the first %d, have cells with doubled quotation marks, as spreadsheets "
            "write them; they are left as they are (preprocess.corpora.folder reads such tables)",
            *(path, len(quoted), quoted[0]),
        )


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """Write the table, with the columns that any row uses.

    Whitespace becomes single spaces, but a path stays as it is.

    Raises:
        InputError: a row could not be read again: see `why_unreadable`; an id stands twice; or a
            path has a tab or a line end.
    """
    write_whole(path, "\n".join(_checked_lines(path, rows)) + "\n")


def check_rows(path: Path, rows: Sequence[Row]) -> None:
    """Raises the InputError that `write_manifest` would."""
    _checked_lines(path, rows)


def _checked_lines(path: Path, rows: Sequence[Row]) -> list[str]:
    left = (*REQUIRED, "further")
    optional = [column.name for column in fields(Row) if column.name not in left]
    used = [name for name in optional if any(getattr(row, name) is not None for row in rows)]
    further = dict.fromkeys(FURTHER + name for row in rows for name in row.further)
    columns = [*REQUIRED, *used, *further]
    lines = ["\t".join(columns)]
    ids: set[str] = set()
    for row in rows:
        cells = _cells(row, columns, path)
        wrong = _why_not(path.parent, columns, cells)
        if wrong is None and cells[0] in ids:
            wrong = "its id stands in an earlier row already"
        if wrong is not None:
            raise InputError(f"{path}: row {row.id!r} cannot be written: {wrong}")
        ids.add(cells[0])
        lines.append("\t".join(cells))
    return lines


def why_unreadable(row: Row) -> str | None:
    """What `read_manifest` would leave a row out for; None where it reads the row.

    Of a path it is only asked whether UTF-8 has its characters.
    """
    columns = [column.name for column in fields(Row) if column.name not in ("path", "further")]
    cells = _cells(replace(row, path=None), columns, Path("manifest.tsv"))
    return _why_not(Path(), [*columns, "path"], [*cells, str(row.path or "")])


def _why_not(folder: Path, columns: Sequence[str], cells: Sequence[str]) -> str | None:
    try:
        "\t".join(cells).encode()
        read_row(folder, columns, cells)
    except UnicodeEncodeError:
        return "it holds characters that UTF-8 has not, such as those of a file name in cp1252"
    except InputError as error:
        return str(error)
    return None


def _cells(row: Row, columns: Iterable[str], table: Path) -> list[str]:
    cells = []
    for column in columns:
        if column.startswith(FURTHER):
            value: Any = row.further.get(column.removeprefix(FURTHER))
        else:
            value = getattr(row, column)
        if isinstance(value, Path):
            value = _path_cell(value, row.id, table)
        elif isinstance(value, float):
            value = f"{value:g}" if value == float(f"{value:g}") else repr(value)
        else:
            value = "" if value is None else one_line(value)
        cells.append(value)
    return cells


def _path_cell(path: Path, row_id: str, table: Path) -> str:
    """A path below the manifest's folder is kept relative, so that the corpus can be moved."""
    path, folder = path.resolve(), table.parent.resolve()
    cell = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
    if re.search(r"[\t\r\n]", cell):
        raise InputError(
            f"{table}: row {row_id!r} has path {cell!r} with a tab or a line end, which a table "
            "cannot hold; rename the file or its folder"
        )
    return cell
