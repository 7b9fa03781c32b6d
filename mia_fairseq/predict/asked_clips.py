"""The clips that a command asks for: named ones, those of a table, cut at pauses if need be."""

from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.predict.clips import find_clips
from preprocess.media.clip import Clip
from preprocess.tables.table_reader import Spreadsheet, SpreadsheetRow, read_number, read_table

COLUMNS = ("id", "path", "text", "group", "position", "start", "end")


def clips_of(
    paths: Sequence[Path], text: str | None, table: Path | None, *, windows: bool = False
) -> list[Clip]:
    """The clips in their order: those of the table, then the named ones that it does not tell of.

    Args:
        paths: of clips, and of folders of clips.
        text: the words of the one clip.
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
    if windows:
        from mia_fairseq.predict.windows import cut_at_pauses

        clips = cut_at_pauses(clips)
    return clips


def clips_of_table(table: Path, named: Sequence[Clip]) -> list[Clip]:
    """The clips of a table, then those that are named and not in it.

    A row's clip is its ``path``, which starts from the table's folder, or the named clip whose file
    is called as its ``id`` says, with or without its suffix.

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
    by_name: dict[str, list[Clip]] = {}
    for clip in named:
        if clip.path is not None:
            for name in {clip.path.name, clip.path.stem, str(clip.path)}:
                by_name.setdefault(name, []).append(clip)
    told = [_clip(read, row, by_name) for row in read.rows]
    files = {clip.path for clip in told}
    return [*told, *(clip for clip in named if clip.path not in files)]


def _clip(table: Spreadsheet, row: SpreadsheetRow, by_name: dict[str, list[Clip]]) -> Clip:
    cells = {name: row.cells.get(name, "").strip() for name in COLUMNS}
    name = cells["path"] or cells["id"]
    found = by_name.get(name, [])
    path = table.path.parent / name if name else None
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
    position = _number(table, row, "position", cells["position"])
    return Clip(
        cells["id"] or str(path),
        path,
        cells["text"] or None,
        _number(table, row, "start", cells["start"]),
        _number(table, row, "end", cells["end"]),
        cells["group"] or None,
        None if position is None else int(position),
    )


def _number(table: Spreadsheet, row: SpreadsheetRow, column: str, cell: str) -> float | None:
    if not cell:
        return None
    try:
        return read_number(cell)
    except ValueError:
        raise InputError(
            f"{table.where(row)}: {column} is {cell!r}, expected a number; mend the cell"
        ) from None
