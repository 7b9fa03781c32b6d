"""How long a DATA folder takes to open, over its number of rows.

    python -m examples.benchmarks.corpora.opening [--rows 2000 20000 ...] [--quick] [--json FILE]

Folders of GENERATED rows of one vector each: 384 (text), 384 (audio) and 128 (video) numbers. The
vectors' files are holes, so that ten million rows take 0.6 GB of disk; the tables and lengths are
whole. `open` is `Store(path).split("train")`. `first row` and `first batch` are the same and then
one row's words and vectors, or a batch of 18 rows from all over the corpus. `without index` opens
the same files but for `train.index`, as older versions wrote them: every row is read. Splits of
up to 4,096 rows have no index. All take turns, sizes one after another; files are in the system's
memory.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from examples.benchmarks.corpora.corpus_size import BATCH, LITE_DIMS
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    start,
)
from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.row_blocks import (
    BLOCK,
    ITEMS,
    LENGTHS,
    SMALL,
    TABLE,
    write_index,
)
from mia_fairseq.data.format.store import FORMAT, Store

ROWS = (2_000, 20_000, 200_000, 2_000_000, 10_000_000)
KINDS = ("open", "first row", "first batch", "without index")
READ_WHOLE = 200_000  # rows that are also opened without an index
HEADER = b"id\tlabel\ttext\tgroup\tposition\n"
LINE = b"row00000000\t1.0\ta generated sentence of about the usual length\tv\t0\n"
PART = 1 << 20  # rows written at once


def write_holes(path: Path, rows: int) -> None:
    """A DATA folder of one split whose vectors are all zeros and take no disk."""
    path.mkdir()
    with (path / "train.tsv").open("wb") as table:
        table.write(HEADER)
        for begin in range(0, rows, PART):
            numbers = np.arange(begin, min(begin + PART, rows))
            lines = np.tile(np.frombuffer(LINE, np.uint8), (len(numbers), 1))
            for place in range(8):
                lines[:, 10 - place] += (numbers // 10**place % 10).astype(np.uint8)
            table.write(lines.tobytes())
    for name, dim in LITE_DIMS.items():
        (path / f"train.{name}.lengths").write_bytes(b"1\n" * rows)
        with (path / f"train.{name}.npy").open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + 4 * rows * dim)
    if rows > SMALL:
        begins = np.append(np.arange(0, rows, BLOCK), rows)
        columns = {TABLE: len(HEADER) + len(LINE) * begins}
        for name in LITE_DIMS:
            columns |= {LENGTHS.format(name): 2 * begins, ITEMS.format(name): begins}
        write_index(path / "train.index", columns)
    meta = {
        "format": FORMAT,
        "corpus": "generated",
        "label": LabelSpec("regression").to_json(),
        "modalities": {n: ModalitySpec(dim, "generated").to_json() for n, dim in LITE_DIMS.items()},
        "splits": {"train": rows},
    }
    (path / "meta.json").write_text(json.dumps(meta))


def without_index(path: Path) -> Path:
    """The same files by other names, but for the index."""
    other = path.with_name(f"{path.name}_whole")
    other.mkdir()
    for file in path.iterdir():
        if file.suffix != ".index":
            os.link(file, other / file.name)
    return other


def actions(path: Path, rows: int, seed: int) -> dict[str, Callable[[], Any]]:
    """What is timed of one folder."""
    chosen = np.random.default_rng(seed).integers(rows, size=BATCH).tolist()

    def first_batch() -> None:
        dataset = AffectDataset(Store(path).split("train"))
        dataset.collater([dataset[row] for row in chosen])

    def first_row() -> None:
        split = Store(path).split("train")
        _ = split.rows[chosen[0]], [table[chosen[0]] for table in split.features.values()]

    def opened() -> None:
        Store(path).split("train")

    return {"open": opened, "first row": first_row, "first batch": first_batch}


def measure(args: argparse.Namespace) -> TimingReport:
    """One folder a size."""
    report = TimingReport("Opening a corpus", {**machine(), **LITE_DIMS, "batch": BATCH})
    table, taken = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in (5_000, 9_000) if args.quick else args.rows:
            path = Path(folder) / f"DATA_{rows}"
            write_holes(path, rows)
            timed = actions(path, rows, args.seed)
            if rows <= READ_WHOLE:
                whole = without_index(path)
                timed["without index"] = lambda whole=whole: Store(whole).split("train")
            taken[rows] = alternate(timed, 2 if args.quick else args.turns)
            found = {name: milliseconds(times) for name, times in taken[rows].items()}
            table.append({"rows": rows, **dict.fromkeys(KINDS, "–"), **found})
    report.tables["CPU ms"] = table
    first = next(rows for rows in taken if rows > SMALL)
    last = list(taken)[-1]
    for name in ("open", "first batch"):
        ratio = Ratio.of(taken[last][name], taken[first][name])
        report.ratios[f"{name}: {last:,} rows / {first:,} rows"] = ratio
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    start(measure, parser)
