"""Makes a folder of `mia_fairseq/ready` from a training: weights in 16 bits, figures, card.

    python -m examples.ready_models NAME --checkpoint CKPT --rows OUT/all/RUN/seed1/test.tsv
    python -m examples.ready_models NAME --checkpoint CKPT --data DATA

The figures are those of ``--rows``, the predictions of a validation run (of all folds, where the
shipped model learnt from every row), or else of the exported model itself on the test rows of
``--data``. Each has its 95 % interval, drawn over groups (videos, dialogues, actors), whose rows
resemble each other. The card, README.md, is written by hand but for its table of figures.
"""

import csv
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.running.pooled_folds import pooled_metrics
from mia_fairseq.experiments.running.provenance import made_by
from mia_fairseq.export.folder_names import CARD, CONFIG, WEIGHTS
from mia_fairseq.files import write_json, write_whole
from mia_fairseq.ready.catalog import FOLDER
from mia_fairseq.report.resampling.intervals import LEVEL, Predictions, draws, interval

RESULTS = "results.json"
RESAMPLES = 2000
LIMIT = 4_000_000  # bytes of a model's weights
SCORES = ("mae", "corr", "acc7", "acc2_non0", "f1_non0", "acc2_has0")
CLASSES = ("accuracy", "weighted_f1", "macro_f1", "uar")
BEGIN, END = "<!-- figures of results.json -->", "<!-- end of the figures -->"
Line = dict[str, str]


def export_small(checkpoint: Path, folder: Path) -> None:
    """The weights in 16 bits and config.json; the card that stands there stays.

    Raises:
        InputError: the weights are larger than a ready model's may be.
    """
    from mia_fairseq.export.__main__ import export

    with tempfile.TemporaryDirectory() as scratch:
        export(checkpoint, Path(scratch), precision="float16")
        size = (Path(scratch) / WEIGHTS).stat().st_size
        if size > LIMIT:
            raise InputError(f"{checkpoint}: {size} bytes of weights, expected at most {LIMIT}")
        folder.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS, CONFIG):
            shutil.copyfile(Path(scratch) / name, folder / name)


def predicted_rows(folder: Path, data: Path, *, int8: bool = False) -> list[Line]:
    """What the exported model says of the test rows, as validation's tables have it.

    Args:
        folder: of the model.
        data: with a split called test.
        int8: whether its products are of 8 bits.
    """
    from mia_fairseq.predict.predictor import Predictor

    groups = {row.id: row.group or row.id for row in Store(data).split("test", ()).rows}
    return [
        {
            **{"id": found.id, "label": str(found.label), "prediction": str(found.value)},
            **{f"p_{name}": str(share) for name, share in found.probabilities.items()},
            "group": groups[found.id],
        }
        for found in Predictor(folder, int8=int8).predict_split(data, "test")
    ]


def read_rows(table: Path) -> list[Line]:
    """The rows of a table of predictions."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def results(rows: Sequence[Line]) -> dict[str, Any]:
    """Figures with intervals: ``{"n", "groups", "figures": {name: value}, "intervals": ...}``."""
    figures = pooled_metrics(rows)
    names = tuple(name.removeprefix("p_") for name in rows[0] if name.startswith("p_"))
    read = names.index if names else float
    truth, guess = (
        np.array([read(row[key]) for row in rows], float) for key in ("label", "prediction")
    )
    groups = tuple(row["group"] for row in rows)
    predictions = Predictions(tuple(row["id"] for row in rows), truth, guess, names, groups)
    weights = draws(len(rows), RESAMPLES, groups=groups)
    shown = CLASSES if names else SCORES
    return {
        "n": len(rows),
        "groups": len(set(groups)),
        "figures": {name: figures[name] for name in shown},
        **({"f1": figures["f1"]} if names else {}),
        "level": LEVEL,
        "intervals": {name: interval(name, [predictions], weights) for name in shown},
    }


def figures_table(found: dict[str, Any]) -> str:
    """The card's table."""
    lines = [
        f"| figure | {found['n']} rows | {found['level']} % interval, {found['groups']} groups |",
        "| --- | --- | --- |",
    ]
    for name, value in found["figures"].items():
        low, high = found["intervals"][name]
        lines.append(f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |")
    if "f1" in found:
        by_class = ", ".join(f"{name} {value:.2f}" for name, value in found["f1"].items())
        lines += ["", f"F1 by class: {by_class}."]
    return "\n".join(lines)


def put_figures(card: Path, found: dict[str, Any]) -> None:
    """Writes the table between the marks of a card.

    Raises:
        InputError: the card is not there or has no marks.
    """
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{card}: has no lines {BEGIN!r} and {END!r}; write the card first")
    write_whole(card, f"{before}{BEGIN}\n\n{figures_table(found)}\n\n{END}{after}")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser("examples.ready_models", __doc__)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--checkpoint", type=Path, required=True, help="of fairseq-train")
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--rows", type=Path, help="predictions of the test rows, a .tsv")
    of.add_argument("--data", type=Path, help="a DATA folder with test rows")
    parser.add_argument("--out", type=Path, default=FOLDER, help="(default: mia_fairseq/ready)")
    args = parser.parse_args(argv)
    folder = args.out / args.name
    export_small(args.checkpoint, folder)
    found = results(read_rows(args.rows) if args.rows else predicted_rows(folder, args.data))
    write_json(folder / RESULTS, {**found, "made_by": made_by()})
    put_figures(folder / CARD, found)


if __name__ == "__main__":
    run(main)
