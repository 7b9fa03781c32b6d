"""Joins files of the same arrays row by row and draws folds of the rows.

    python -m examples.recipes.mosei_video.join_files val.npz test.npz --seed 1 --out rows.npz

Numbers that are not finite become 0. The files' arrays stay as they are called; ``id`` and ``fold``
come beside them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.command import run
from mia_fairseq.data.format.array_files import read_npz
from mia_fairseq.errors import InputError
from mia_fairseq.files import atomic_path

FOLDS = 5


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the joined file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.npz")
    parser.add_argument("--seed", type=int, default=1, help="of the folds")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    arrays: Any = joined(args.files)
    arrays["fold"] = drawn_folds(len(arrays["label"]), args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(args.out) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def joined(files: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """The rows of all files, in order, each with an id.

    Raises:
        InputError: a file cannot be read, or has other arrays than the first.
    """
    parts: dict[str, list[NDArray[Any]]] = {"id": []}
    for path in files:
        arrays = read_npz(path)
        names = [name for name in parts if name != "id"]
        if "label" not in arrays or (names and set(names) != set(arrays)):
            raise InputError(
                f"{path}: has the arrays {', '.join(arrays)}, expected "
                f"{', '.join(names) or 'label and features'}"
            )
        for name, array in arrays.items():
            parts.setdefault(name, []).append(np.nan_to_num(array, posinf=0.0, neginf=0.0))
        rows = range(len(arrays["label"]))
        parts["id"].append(np.array([f"{path.stem}-{row}" for row in rows]))
    return {name: np.concatenate(several) for name, several in parts.items()}


def drawn_folds(rows: int, seed: int) -> NDArray[np.int64]:
    """(rows,) the fold of each row: equal parts, drawn by chance."""
    return np.random.default_rng(seed).permutation(rows) % FOLDS


if __name__ == "__main__":
    run(main)
