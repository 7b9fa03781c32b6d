"""Checks a DATA folder whole: every file's sha256, every row, every label, every id.

    python -m mia_fairseq.data.verify DATA

Opening a folder checks the cheap part: sizes and headers, and every row of a small split. Rows of a
large one are checked when they are asked for. This reads everything.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.store import Store, read_meta, sha256_of_meta
from mia_fairseq.data.statistics import in_chunks
from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of


def faults(path: Path) -> Iterator[str]:
    """What is wrong with a DATA folder, a sentence each; none where it is whole.

    Raises:
        InputError: it is no DATA folder.
    """
    store, meta = Store(path), read_meta(path)
    if "meta_sha256" in meta and meta["meta_sha256"] != sha256_of_meta(meta):
        yield f"{path / 'meta.json'}: has changed since it was written; import the data again"
    yield from _changed_files(path, meta.get("files_sha256"))
    seen: dict[str, str] = {}
    for name in store.splits:
        try:
            yield from _faults_of_split(store, name, seen)
        except InputError as error:
            yield str(error)


def _faults_of_split(store: Store, name: str, seen: dict[str, str]) -> Iterator[str]:
    """What is wrong with one split; ``seen`` has the split of each id, and gets this one's.

    Raises:
        InputError: it does not open, or a row cannot be read.
    """
    split = store.split(name)
    for row in tqdm(split.rows, desc=f"rows of {name}", unit="row", disable=None):
        if row.id in seen:
            yield (
                f"{store.path}: id {row.id!r} stands in {seen[row.id]} and again in {name}; import "
                "the data again"
            )
        seen[row.id] = name
    for modality, table in split.features.items():
        bad, _ = 0, table.lengths  # which reads those of every row
        for part in in_chunks(table.vectors):
            if split.specs[modality].kind == "features":
                bad += int((~np.isfinite(part)).sum())
        if bad:
            yield (
                f"{table.path}: holds {bad} numbers that are NaN or infinite; import the data again"
            )


def _changed_files(path: Path, hashes: Mapping[str, str] | None) -> Iterator[str]:
    if hashes is None:  # written by an older version
        return
    if not isinstance(hashes, Mapping):
        yield f"{path / 'meta.json'}: its files_sha256 is no table; import the data again"
        return
    for name, then in tqdm(hashes.items(), desc="files", unit="file", disable=None):
        file = path / Path(name).name
        if not file.is_file():
            yield f"{file}: is missing; import the data again"
        elif sha256_of(file) != then:
            yield f"{file}: has changed since it was written; import the data again"
    known: set[Any] = {*hashes, "meta.json"}
    for file in sorted(path.iterdir()):
        if file.name not in known:
            yield f"{file}: is no file of this DATA folder; remove it"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command; exits with 1 where something is wrong."""
    parser = command_parser("mia_fairseq.data.verify", __doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    args = parser.parse_args(argv)
    found = list(faults(args.data))
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    if found:
        raise InputError(f"{args.data}: {len(found)} faults, listed above")
    rows = sum(Store(args.data).splits.values())
    sys.stdout.write(f"{args.data}: whole, {rows} rows\n")


if __name__ == "__main__":
    run(main)
