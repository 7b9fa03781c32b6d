"""The README's results tables, from the small JSON files in ``examples/results/``.

    python -m examples.readme_table --keep NAME "Title=runs/EXPERIMENT/DATA.json" ...
    python -m examples.readme_table            # writes the tables into README.md
    python -m examples.readme_table --check    # fails where README.md and the files differ

``--keep`` copies rows that a recipe or an experiment wrote (row name -> one dictionary of metrics a
seed) into ``examples/results/NAME.json``. Each of these files fills the place in the README
between ``<!-- results: NAME -->`` and ``<!-- /results -->``.
"""

import argparse
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.summary_tables import (
    CLASS_COLUMNS,
    COST_COLUMNS,
    REGRESSION_COLUMNS,
    summarize,
)
from mia_fairseq.files import write_whole

README = Path(__file__).resolve().parents[1] / "README.md"
RESULTS = Path(__file__).with_name("results")
KEPT = ("n", "n_non0", *REGRESSION_COLUMNS, *CLASS_COLUMNS, *COST_COLUMNS)
PLACE = re.compile(r"(<!-- results: ([\w-]+) -->\n)(.*?)(<!-- /results -->)", flags=re.DOTALL)


def main(argv: Sequence[str] | None = None) -> None:
    """Keeps results, and writes or checks the README's tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--keep", nargs="+", metavar=("NAME", "TITLE=FILE"))
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    args = parser.parse_args(argv)
    if args.keep:
        keep(args.keep[0], args.keep[1:], args.results)
    before = args.readme.read_text(encoding="utf-8")
    after = filled(before, args.results)
    if args.check:
        if before != after:
            raise InputError(
                f"{args.readme}: its results tables differ from {args.results}/*.json; run "
                "python -m examples.readme_table"
            )
        return
    write_whole(args.readme, after)
    print(f"{args.readme}: {len(PLACE.findall(after))} results table(s)")


def keep(name: str, files: Sequence[str], results: Path) -> None:
    """Copies the rows of ``TITLE=FILE`` arguments into ``results/NAME.json``."""
    if not files:
        raise InputError(f"--keep {name} names no file; give TITLE=FILE, a title and its rows")
    tables = []
    for argument in files:
        title, _, file = argument.rpartition("=")
        tables.append({"title": title or Path(file).stem, "rows": read_rows(Path(file))})
    text = json.dumps({"tables": tables}, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(results / f"{name}.json", text + "\n")


def read_rows(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of one file, without what no table shows; NaN becomes None."""
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
        rows = {
            name: [{key: _kept(seed[key]) for key in KEPT if key in seed} for seed in seeds]
            for name, seeds in loaded.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file}: holds no rows of results ({error}), expected row name -> a list of metrics, "
            "one a seed, as a recipe or mia_fairseq.experiments writes it"
        ) from error
    if not rows or not all(seeds and all("n" in seed for seed in seeds) for seeds in rows.values()):
        raise InputError(
            f"{file}: a row has no seed or no n, expected metrics of at least one seed in each "
            "row; finish the runs first"
        )
    return rows


def filled(readme: str, results: Path) -> str:
    """The README's text with every results place filled from its file.

    Raises:
        InputError: a place has text but no file, or a file has no place.
    """
    places = {match[1]: match[2] for match in PLACE.findall(readme)}
    files = {path.stem: path for path in sorted(results.glob("*.json"))}
    for name in files.keys() - places.keys():
        raise InputError(
            f"{files[name]}: README has no place for it; add <!-- results: {name} --> and "
            "<!-- /results --> on lines of their own, or remove the file"
        )
    for name in places.keys() - files.keys():
        if places[name].strip():
            raise InputError(
                f"README: the table {name!r} has no {results / name}.json, so nothing vouches for "
                f"it; keep its results with --keep {name}"
            )
    return PLACE.sub(lambda place: place[1] + _tables(files.get(place[2])) + place[4], readme)


def _tables(file: Path | None) -> str:
    if file is None:
        return ""
    tables = json.loads(file.read_text(encoding="utf-8"))["tables"]
    texts = [f"{table['title']}:\n\n{summarize(table['rows'])}\n" for table in tables]
    return "\n".join(texts)


def _kept(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(value, 6)


if __name__ == "__main__":
    run_command(main)
