"""What the corpora share: the search for media files, the check of counts, the report."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mia_fairseq.data.format.labels import one_line
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole
from preprocess.media.media_files import VIDEO_SUFFIXES, find_media
from preprocess.tables.labelling import SPLIT_NAMES, split_name
from preprocess.tables.manifest import Row, why_unreadable, write_manifest
from preprocess.tables.same_names import composed
from preprocess.tables.table_reader import with_point

UNUSED = "no row names it"  # why a media file is left out
LEFT_OUT = "left out: "  # how the fault of a row begins that is not in the manifest
SPLITS = ("train", "valid", "test")


@dataclass
class Corpus:
    """A corpus as found: its rows, and what is wrong with some of them."""

    name: str
    rows: list[Row]
    faults: list[tuple[str, str]] = field(default_factory=list)  # id, what is wrong
    left_out: list[tuple[str, str]] = field(default_factory=list)  # file, why no row uses it


class Media:
    """The media files below a folder, by name and by "parent_name".

    ``a/b/3.mp4`` is found as ``3`` and as ``b_3``, and as ``3.mp4`` and ``b_3.mp4``. A video goes
    before a sound file of that name. Letters with accents are found in either spelling of Unicode.
    """

    def __init__(self, folder: Path) -> None:
        """Lists the folder's files.

        Raises:
            InputError: there is no such folder.
        """
        self.folder = folder
        self.files = find_media(folder)
        self._found: dict[str, list[Path]] = {}
        self._taken: set[Path] = set()
        for path in sorted((*self.files.clips, *self.files.aliases)):
            for key in dict.fromkeys((path.stem, f"{path.parent.name}_{path.stem}")):
                self._found.setdefault(composed(key), []).append(path)

    def get(self, key: str) -> Path | None:
        """The file of that name, None where there is none."""
        best = next(iter(self._best(key)), None)
        if best is not None:
            self.take(best)
        return best

    def take(self, path: Path) -> None:
        """Says that a row uses the file."""
        self._taken |= {path, self.files.aliases.get(path, path)}

    def fault(self, key: str) -> str | None:
        """What is wrong with the file of that name, as far as names and sizes tell."""
        best = self._best(key)
        if len(best) > 1:
            return f"{len(best)} media files are called so; {best[0]} is used, not {best[1]}"
        return media_fault(best[0] if best else None)

    def left_out(self) -> list[tuple[str, str]]:
        """(path within the folder, why it is not used) of every file that nothing took."""
        unused = [(path, UNUSED) for path in self.files.clips]
        return [
            (path.relative_to(self.folder).as_posix(), why)
            for path, why in sorted(unused + self.files.left_out)
            if path not in self._taken
        ]

    def _best(self, key: str) -> list[Path]:
        paths = self._found.get(composed(key)) or [
            path
            for path in self._found.get(composed(Path(key).stem), [])
            if path.suffix.casefold() == Path(key).suffix.casefold() and "/" not in key
        ]
        return [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES] or paths


def known_split(name: str, where: str) -> str:
    """A split's name as this project spells it; InputError where it is none of the three."""
    split = split_name(name)
    if split not in SPLITS:
        raise InputError(f"{where}: split {name!r}, expected one of {', '.join(SPLIT_NAMES)}")
    return split


def media_fault(path: Path | None) -> str | None:
    """Why a media file cannot be read, as far as its name and size tell."""
    if path is None or not path.is_file():
        return "its media file is missing"
    return f"{path.name} is empty" if path.stat().st_size == 0 else None


def leave_out_unreadable(corpus: Corpus) -> None:
    """Leaves out each row that a manifest cannot hold, and lists it as a fault.

    It has no label, a start that is no time, or an id that names no file or is an earlier row's.
    """
    kept: dict[str, Row] = {}
    for row in corpus.rows:
        row_id = one_line(row.id)
        fault = why_unreadable(row)
        if fault is None and row_id in kept:
            fault = "its id stands in an earlier row already"
        if fault is not None:
            corpus.faults.append((row.id, LEFT_OUT + fault))
            continue
        kept[row_id] = row
    corpus.rows = list(kept.values())
    if not corpus.rows:
        raise InputError(
            f"{corpus.name}: no row can be used; the first, {corpus.faults[-1][0]}: "
            f"{corpus.faults[-1][1]}"
        )


def times_in_file(
    start: float | None, end: float | None
) -> tuple[float | None, float | None, str | None]:
    """A segment's times within its file, and what was mended: a start below 0 is 0."""
    if start is not None and start < 0:
        return 0.0, end, f"it starts at {start:g} s, before its file; taken as 0"
    return start, end, None


def check_counts(corpus: Corpus, known: Mapping[str, int], partial: bool) -> None:
    """Compares the rows of each split with the official numbers.

    Args:
        corpus: as read.
        known: official rows of each split.
        partial: whether a part of the corpus is what is wanted.

    Raises:
        InputError: they differ, and not a part is wanted.
    """
    counts = Counter(row.split for row in corpus.rows)
    wrong = [name for name in SPLITS if counts[name] != known[name]]
    if wrong and not partial:
        found = ", ".join(f"{name} has {counts[name]} rows, not {known[name]}" for name in wrong)
        out = [f"{row} {why}" for row, why in corpus.faults if why.startswith(LEFT_OUT)]
        found += f", and {len(out)} are left out, the first {out[0]}" if out else ""
        raise InputError(
            f"{corpus.name}: {found}; the release is not whole, or not the official one (give "
            "--partial to go on with what is there)"
        )


def finish(corpus: Corpus, out: Path, known: Mapping[str, int] | None, partial: bool) -> None:
    """Checks, writes the manifest, faults and left-out files beside it, and logs all three.

    Rows whose media are missing stay in the manifest: their text is there, and extraction counts
    them.

    Args:
        corpus: as read.
        out: the manifest to write.
        known: official rows of each split; None: there are none.
        partial: whether a part of the corpus is what is wanted.
    """
    if not corpus.rows:
        raise InputError(f"{corpus.name}: no utterance was found")
    leave_out_unreadable(corpus)
    if known is not None:
        check_counts(corpus, known, partial)
    corpus.rows.sort(key=lambda row: _order(row.split))  # stable: the release's order within
    write_manifest(out, corpus.rows)
    for path, second, lines in (
        (_beside(out, "faults"), "fault", corpus.faults),
        (_beside(out, "left_out"), "reason", corpus.left_out),
    ):
        first = "id" if second == "fault" else "file"
        table = [(first, second), *((_cell(name), _cell(why)) for name, why in lines)]
        write_whole(path, "".join(f"{name}\t{why}\n" for name, why in table))
    _report(corpus, out, known)


def _cell(text: str) -> str:
    """A name or a reason on one line; bytes of a file's name that are no UTF-8, as numbers."""
    return one_line(text).encode(errors="backslashreplace").decode()


def _beside(out: Path, what: str) -> Path:
    return out.with_name(f"{out.stem}.{what}.tsv")


def _report(corpus: Corpus, out: Path, known: Mapping[str, int] | None) -> None:
    counts = Counter(row.split for row in corpus.rows)
    official = f" (official: {'/'.join(str(known[name]) for name in SPLITS)})" if known else ""
    parts = ", ".join(f"{name} {count}" for name, count in counts.items())
    sys.stdout.write(f"{out}: {corpus.name}, {len(corpus.rows)} rows: {parts}{official}\n")
    if corpus.left_out:
        listed = _beside(out, "left_out")
        sys.stdout.write(f"{len(corpus.left_out)} files that no row uses, all in {listed}\n")
    sys.stdout.write(f"{len(corpus.faults)} faults, all in {_beside(out, 'faults')}\n")
    for clip_id, fault in corpus.faults[:20]:
        sys.stdout.write(f"  {clip_id}: {fault}\n")


def _order(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)


def number(text: str, low: float, high: float, where: str) -> str:
    """A score's own spelling, checked to be a number within its range.

    Args:
        text: of the cell.
        low: the least score.
        high: the largest score.
        where: the cell, for errors.
    """
    spelt = with_point(text).strip()
    try:
        inside = low <= float(spelt) <= high
    except ValueError:
        inside = False
    if not inside:
        raise InputError(f"{where}: label {text!r}, expected a number from {low:g} to {high:g}")
    return spelt
