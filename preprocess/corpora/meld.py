"""MELD: TV dialogues, one emotion and one sentiment an utterance.

    python -m preprocess.corpora.meld MELD.Raw --out manifest.tsv

Expects the release as its authors unpack it: ``{train,dev,test}_sent_emo.csv``, and the clips
``dia<D>_utt<U>.mp4`` in ``train_splits``, ``dev_splits_complete`` and
``output_repeated_splits_test``, all at most three folders deep. The times in its tables are those
of the episodes, so the manifest has none. Two clips are known to be bad in the release itself.
"""

from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import command_parser, run
from mia_fairseq.errors import InputError
from preprocess.corpora.common import Corpus, Media, finish, media_fault
from preprocess.media.media_files import visible
from preprocess.tables.manifest import Row
from preprocess.tables.table_reader import read_table

KNOWN = {"train": 9989, "valid": 1109, "test": 2610}
FOLDERS = {
    "train": ("train", "train_splits"),
    "dev": ("valid", "dev_splits_complete"),
    "test": ("test", "output_repeated_splits_test"),
}
KNOWN_FAULTS = {
    "dev_dia110_utt7": "missing from the release itself",
    "train_dia125_utt3": "corrupt in the release itself",
}
COLUMNS = ("Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
LABELS = {"emotion": "Emotion", "sentiment": "Sentiment"}


def read_meld(raw: Path, label: str = "emotion") -> Corpus:
    """The corpus in a folder; ids are ``<split>_dia<D>_utt<U>``, groups are the dialogues.

    Raises:
        InputError: a table is missing or lacks a column.
    """
    if not raw.is_dir():
        raise InputError(f"{raw} is no folder; give the folder of the unpacked release")
    corpus, media = Corpus("MELD", []), Media(raw)
    for name, (split, folder_name) in FOLDERS.items():
        folder = _find(raw, folder_name)
        table = _find(raw, f"{name}_sent_emo.csv")
        if table is None:
            raise InputError(f"{raw}: there is no {name}_sent_emo.csv, up to three folders deep")
        media.take(table)
        for row in read_table(table, COLUMNS, ("Speaker",)).rows:
            line = row.cells
            dialogue, utterance = line["Dialogue_ID"], line["Utterance_ID"]
            if not utterance.isdigit():
                raise InputError(f"{table}: Utterance_ID {utterance!r}, expected a whole number")
            clip = f"dia{dialogue}_utt{utterance}"
            path = folder / f"{clip}.mp4" if folder else None
            row_id = f"{name}_{clip}"
            fault = KNOWN_FAULTS.get(row_id) or media_fault(path)
            if fault is not None:
                corpus.faults.append((row_id, fault))
            if path:
                media.take(path)
            corpus.rows.append(
                Row(
                    row_id,
                    split,
                    line[LABELS[label]].strip().lower(),
                    path,
                    line["Utterance"],
                    group=f"{name}_dia{dialogue}",
                    position=int(utterance),
                    speaker=line.get("Speaker") or None,
                )
            )
    corpus.left_out = media.left_out()
    return corpus


def _find(raw: Path, name: str) -> Path | None:
    found = visible(raw, *(depth + name for depth in ("", "*/", "*/*/", "*/*/*/")))
    return found[0] if found else None


def main(argv: Sequence[str] | None = None) -> None:
    """Write MELD's manifest."""
    parser = command_parser("preprocess.corpora.meld", __doc__)
    parser.add_argument("raw", type=Path, help="the folder of the unpacked release")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    parser.add_argument("--label", choices=tuple(LABELS), default="emotion", help="what labels are")
    parser.add_argument("--partial", action="store_true", help="go on where rows are missing")
    arguments = parser.parse_args(argv)
    corpus = read_meld(arguments.raw, arguments.label)
    finish(corpus, arguments.out, KNOWN, arguments.partial)


if __name__ == "__main__":
    run(main)
