"""The clips that a command asks for: named ones, those of a table, cut at pauses if need be."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mia_fairseq.errors import InputError
from mia_fairseq.predict.clips import find_clips, words_alone
from preprocess.media.clip import Clip
from preprocess.tables.mended_rows import SpreadsheetRow
from preprocess.tables.same_names import composed, file_called, one_name
from preprocess.tables.table_reader import Spreadsheet, read_number, read_table, read_whole

logger = logging.getLogger(__name__)

Number = TypeVar("Number", int, float)
COLUMNS = ("id", "path", "text", "group", "position", "start", "end")


def clips_of(
    paths: Sequence[Path], text: str | None, table: Path | None, *, windows: bool = False
) -> list[Clip]:
    """The clips in their order: those of the table, then the named ones that it does not tell of.

    Args:
        paths: of clips, and of folders of clips.
        text: the words of the one clip; where no clip is named, these alone are answered for.
        table: see `clips_of_table`.
        windows: whether to cut each at its pauses.

    Raises:
        InputError: a path or the table cannot be read, or one text is given for several clips.
    """
    clips = find_clips(paths, text) if paths else []
    if table is not None:
        if text is not None:
            raise InputError(f"--text and --table {table} both give words; leave one out")
        clips = clips_of_table(table, clips)
    elif not paths and text is not None:
        clips = [words_alone(text)]
    if windows:
        from mia_fairseq.predict.windows import cut_at_pauses

        clips = cut_at_pauses(clips)
    return clips


def clips_of_table(table: Path, named: Sequence[Clip]) -> list[Clip]:
    """The clips of a table, then those that are named and not in it.

    A row's clip is its ``path``, which starts from the table's folder. Where none is there, it is
    the named clip whose file is called as ``path`` or else ``id`` says, with or without suffix.
    Columns of other names are told, and not used.

    Args:
        table: with a column id or path, and any of text, group, position, start, end.
        named: what was named beside it.

    Raises:
        InputError: the table cannot be read, or a row's clip is not there or not clear.
    """
    read = read_table(table, known=COLUMNS)
    if not {"id", "path"} & set(read.columns):
        raise InputError(
            f"{table}: has no column id or path; add one that says which clip is meant"
        )
    unknown = [name for name in read.columns if name not in COLUMNS]
    if unknown:
        logger.warning(
            "%s: its columns %s are not used; the known ones are %s",
            *(table, ", ".join(unknown), ", ".join(COLUMNS)),
        )
    by_name: dict[str, list[Clip]] = {}
    for clip in named:
        if clip.path is not None:
            for name in {clip.path.name, clip.path.stem, str(clip.path)}:
                by_name.setdefault(composed(name), []).append(clip)
    told = [_clip(read, row, by_name) for row in read.rows]
    files = {clip.path.resolve() for clip in told if clip.path is not None}
    others = [clip for clip in named if clip.path is None or clip.path.resolve() not in files]
    return [*told, *others]


def _clip(table: Spreadsheet, row: SpreadsheetRow, by_name: dict[str, list[Clip]]) -> Clip:
    cells = {name: row.cells.get(name, "").strip() for name in COLUMNS}
    name = cells["path"] or cells["id"]
    found = by_name.get(composed(name), [])
    path = file_called(table.path.parent, name) if name else None
    if cells["path"] and path is not None and path.is_file():
        found = []
    if len(found) == 1:
        path = found[0].path
    elif found:
        raise InputError(
            f"{table.where(row)}: {name!r} is the name of {len(found)} clips; give its path"
        )
    elif path is None or not path.is_file():
        raise InputError(
            f"{table.where(row)}: {name!r} is no file beside the table and no clip that is named; "
            "mend the cell, or name the folder of the clips before --table"
        )
    return Clip(
        cells["id"] or str(path),
        path,
        cells["text"] or None,
        _number(table, row, "start", read_number),
        _number(table, row, "end", read_number),
        one_name(cells["group"]) or None,
        _number(table, row, "position", read_whole),
    )


def _number(
    table: Spreadsheet, row: SpreadsheetRow, column: str, read: Callable[[str], Number]
) -> Number | None:
    cell = row.cells.get(column, "").strip()
    if not cell:
        return None
    try:
        return read(cell)
    except ValueError:
        whole = "a whole number" if read is read_whole else "a number"
        raise InputError(
            f"{table.where(row)}: {column} is {cell!r}, expected {whole}; mend the cell"
        ) from None
