"""Names that look alike are one name, however their bytes differ.

A Mac writes ``ü`` as two characters (NFD), others as one (NFC); a space at a cell's end is unseen.
"""

import unicodedata
from pathlib import Path

from mia_fairseq.data.format.labels import one_line


def composed(text: str) -> str:
    """A text with each letter and its accents as one character (NFC)."""
    return unicodedata.normalize("NFC", text)


def one_name(cell: object) -> str:
    """The name of a group or a speaker: composed, single spaces, none at the ends."""
    return composed(one_line(cell))


def file_called(folder: Path, name: str) -> Path:
    """``folder / name``; where that is not there, the file whose name looks the same."""
    here = folder
    for part in Path(name).parts:
        below = here / part
        if not part.isascii() and not below.exists():
            below = next((o for o in _inside(here) if composed(o.name) == composed(part)), below)
        here = below
    return here


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
