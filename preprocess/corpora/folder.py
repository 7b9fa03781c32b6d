"""Any folder of clips with a table: id and label, maybe text, split, group, speaker, fold and more.

    python -m preprocess.corpora.folder CLIPS --table labels.csv --out manifest.tsv

A clip is the file that the column ``path`` names (within CLIPS), or else the media file named like
its id. Further columns are ``position``, ``start``, ``end``,
``corpus``, and ``label.NAME`` of further labels. Where the table has no
split, one is drawn, by whole groups, with a seed; where it has folds, every row's split is ``all``
(see `mia_fairseq.data.format.folds`).
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.labels import FURTHER
from mia_fairseq.data.format.store import FURTHER_COLUMNS
from mia_fairseq.errors import InputError
from preprocess.corpora.common import (
    SPLITS,
    UNUSED,
    Corpus,
    Media,
    finish,
    media_fault,
    times_in_file,
)
from preprocess.tables.labelling import ALL, split_name
from preprocess.tables.manifest import Row
from preprocess.tables.same_names import file_called, one_name
from preprocess.tables.table_reader import read_number, read_table, read_whole, with_point

NAMES = ("group", "speaker", "corpus")
OPTIONAL = (
    *("text", "split", "group", "position", "path", "start", "end"),
    *FURTHER_COLUMNS,
)


def read_folder(clips: Path, table: Path, fractions: Sequence[float], seed: int) -> Corpus:
    """The corpus of a folder and its table.

    Args:
        clips: where the media files are, at any depth.
        table: CSV, TSV or .xlsx (see `preprocess.tables.table_reader`).
        fractions: of the groups for valid and test, where the table has no split.
        seed: of the drawing.
    """
    content = read_table(table, ("id", "label"), OPTIONAL)
    lines = [_named(row.cells) for row in content.rows]
    unknown = [
        name
        for name in content.columns
        if name not in ("id", "label", *OPTIONAL) and not name.startswith(FURTHER)
    ]
    media = Media(clips)
    drawn = _draw([_group(line) for line in lines], fractions, seed)
    corpus = Corpus(str(clips), [])
    if unknown:
        corpus.faults.append((table.name, f"its columns {', '.join(unknown)} are not used"))
    if lines and not all("split" in line or line.get("fold") for line in lines):
        corpus.faults += [(table.name, fault) for fault in _too_few(drawn, fractions)]
    for place, line in enumerate(lines):
        path = file_called(clips, line["path"]) if line.get("path") else media.get(line["id"])
        if path is not None:
            media.take(path)
        fault = media_fault(path) if line.get("path") else media.fault(line["id"])
        if fault is not None:
            corpus.faults.append((line["id"], fault))
        try:
            start, end, mended = times_in_file(
                *(read_number(line[name]) if line.get(name) else None for name in ("start", "end"))
            )
            row = Row(
                line["id"],
                _split(line, drawn),
                with_point(line["label"]).strip(),
                path,
                line.get("text"),
                start,
                end,
                line.get("group") or None,
                read_whole(line["position"]) if line.get("position") else None,
                line.get("speaker") or None,
                read_whole(line["fold"]) if line.get("fold") else None,
                line.get("corpus") or None,
                {
                    name.removeprefix(FURTHER): with_point(cell)
                    for name, cell in line.items()
                    if name.startswith(FURTHER) and cell
                },
            )
        except ValueError as error:
            where = content.where(content.rows[place])
            raise InputError(f"{where}: {error}; expected a number") from error
        if mended is not None:
            corpus.faults.append((line["id"], mended))
        corpus.rows.append(row)
    media.take(table)
    corpus.left_out = media.left_out()
    return corpus


def check_clips(corpus: Corpus, clips: Path, table: Path) -> None:
    """Raises `InputError` where no row has its clip, unless the table is of words alone."""
    if any(row.path is not None and row.path.is_file() for row in corpus.rows):
        return
    unused = [file for file, why in corpus.left_out if why == UNUSED]
    named = [row for row in corpus.rows if row.path is not None]
    worded = any(row.text for row in corpus.rows)
    if not corpus.rows or (worded and not named and not unused):
        return
    row = (named or corpus.rows)[0]
    sought = row.path or f"a media file called {row.id}"
    raise InputError(
        f"{table}: none of its {len(corpus.rows)} rows has its clip in {clips}: that of {row.id} "
        f"would be {sought}, and it holds {unused[0] if unused else 'no media file'}; mend the "
        "ids or paths, or name the folder that they start from"
    )


def _named(cells: Mapping[str, str]) -> dict[str, str]:
    """A row's cells, its names as they look: rows of one group may write it in several ways."""
    names = {name: one_name(cells[name]) for name in NAMES if name in cells}
    return {**cells, **names, "id": cells["id"].strip()}


def _group(line: Mapping[str, str]) -> str:
    return line.get("group") or one_name(line["id"])


def _split(line: Mapping[str, str], drawn: Mapping[str, str]) -> str:
    """The table's own split, else ``all`` where the row has a fold, else the one drawn."""
    if "split" in line:
        return split_name(line["split"])
    return ALL if line.get("fold") else drawn[_group(line)]


def _draw(groups: Sequence[str], fractions: Sequence[float], seed: int) -> dict[str, str]:
    """{group: split}: every group whole in one split, the same for the same seed.

    A split that rounding would leave empty has one group, while there is one more for training.
    """
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)
    counts = [round(fraction * len(names)) for fraction in fractions]
    for place, fraction in enumerate(fractions):
        if fraction > 0 and not counts[place] and sum(counts) + 1 < len(names):
            counts[place] = 1
    valid, test = counts
    drawn = dict.fromkeys(names, SPLITS[0])
    drawn.update(dict.fromkeys(names[:valid], SPLITS[1]))
    drawn.update(dict.fromkeys(names[valid : valid + test], SPLITS[2]))
    return drawn


def _too_few(drawn: Mapping[str, str], fractions: Sequence[float]) -> list[str]:
    """What is wrong with a draw that leaves a split without rows."""
    return [
        f"its {len(drawn)} groups are too few: no rows are drawn for {name}; give more clips, or a "
        "column split"
        for name, fraction in zip(SPLITS[1:], fractions, strict=True)
        if fraction > 0 and name not in drawn.values()
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Write the manifest of a folder."""
    parser = command_parser("preprocess.corpora.folder", __doc__)
    parser.add_argument("clips", type=Path, help="the folder of media files")
    parser.add_argument(
        "--table", type=Path, required=True, help="CSV, TSV or .xlsx with id, label, ..."
    )
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    for split, share in (("valid", 0.1), ("test", 0.2)):
        told = f"share of the groups drawn for {split}, where there is no column split"
        parser.add_argument(f"--{split}-fraction", type=float, default=share, help=told)
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    arguments = parser.parse_args(argv)
    fractions = (arguments.valid_fraction, arguments.test_fraction)
    if min(fractions) < 0 or sum(fractions) >= 1:
        raise InputError(
            f"the fractions are {fractions}; expected 0 or more each, below 1 together"
        )
    corpus = read_folder(arguments.clips, arguments.table, fractions, arguments.seed)
    check_clips(corpus, arguments.clips, arguments.table)
    finish(corpus, arguments.out, None, partial=True)


if __name__ == "__main__":
    run(main)
