"""Answers as a file: a sheet or a table for people, with a picture beside it, or JSON."""

import re
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.files import atomic_path, check_is_no_folder, write_whole
from mia_fairseq.predict.writing.answers import Cell, ClipAnswer, render, table_of
from mia_fairseq.pretrained.libraries import require

SUFFIXES = (".xlsx", ".csv", ".json")
# What XML, and so a sheet, cannot hold.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def check_name(path: Path) -> None:
    """Whether answers can be written under a name, before any work is done.

    Raises:
        InputError: its suffix is none of `SUFFIXES`, or it is a folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out {path}: ends in none of {', '.join(SUFFIXES)}; choose one of them")
    check_is_no_folder(path)


def write_answers(path: Path, answers: Sequence[ClipAnswer]) -> list[Path]:
    """Writes answers, and beside a table a picture of them.

    Args:
        path: of a name that `check_name` takes.
        answers: in their order.

    Returns:
        The files that were written.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_whole(path, render(answers, "json") + "\n")
        return [path]
    if suffix == ".xlsx":
        _write_sheet(path, table_of(answers))
    else:
        # With its mark, Excel reads UTF-8 as such.
        write_whole(path, "\ufeff" + render(answers, "csv") + "\n")
    from mia_fairseq.predict.writing.answer_picture import draw

    picture = draw(path.with_suffix(".png"), answers)
    return [path, *([picture] if picture is not None else [])]


def _write_sheet(path: Path, rows: Sequence[Sequence[Cell]]) -> None:
    openpyxl = require("openpyxl", "openpyxl", "--out answers.xlsx")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "answers"
    sheet.freeze_panes = "B2"
    for number, row in enumerate(rows, start=1):
        for place, value in enumerate(row, start=1):
            cell = sheet.cell(number, place)
            if isinstance(value, str):
                cell.value = _CONTROL.sub(" ", value)
                cell.data_type = "s"  # never a formula
            elif value is not None:
                cell.value = float(value)
                cell.number_format = "0.000"
    with atomic_path(path) as partial:
        book.save(partial)
