"""MELD by MiniLM, taught by MPNet, which is five times its size.

    python -m examples.recipes.taught_minilm.meld FOLDER

MPNet, fine-tuned on MELD (two seeds, runs of the recipe meld_text, taken where they are there),
gives its mean probabilities for the training rows and for 8,371 made-up utterances, each the
beginning of one training utterance and the end of another (made_up.py). MiniLM is fine-tuned on
both, with the settings of that recipe: the probabilities beside the labels (``--criterion
ce_distilled``), which for a made-up utterance are the teachers' own choice.

Contract
    needs   MELD's three .csv files
    split   the official one, 9989 / 1109 / 2610; the teachers, what is made up and the pupil see
            training rows only, and every epoch is chosen on validation, by weighted F1
    gives   results.md, MELD.json, and a folder a run
    beside  the rows of meld_text, which are of the same encoder without a teacher
    time    seen on a shared machine: the teachers 35 minutes each, and 5 to speak; a pupil 15

A teacher has seen its training rows and is right of .86 of them, against .62 on validation; of
made-up utterances it says what it would of new ones. With them, three pupils had .598, .591 and
.599 on validation, and .619 ± .003 on test; with one teacher and the training rows alone, .585,
.580 and .592, and .621 ± .003: what validation gains, the test does not. The weight of the teacher
(.7) and the temperature (2) are the defaults, and nothing else was tried.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from examples.recipes.meld_text import EPOCHS, SCALES, meld_data, models
from examples.recipes.recipe import Models, Table, capped, recipe_parser, run_tables
from examples.recipes.taught_minilm.made_up import made_up
from examples.recipes.taught_minilm.teachers import PUPIL, Said, mean_said, tokens_data
from mia_fairseq.command import run as run_command
from mia_fairseq.data.format.labels import MELD_CLASSES
from mia_fairseq.data.format.store import Store
from mia_fairseq.experiments.runner import VALID, Run, execute_all
from mia_fairseq.files import write_whole
from preprocess.tables.manifest import read_manifest

TEACHERS = 2  # seeds
BATCH = 32


def teacher_runs(args: argparse.Namespace) -> list[Run]:
    """The large encoder on MELD's transcripts, as meld_text has it."""
    folder = args.teachers.resolve() / args.teacher
    data = meld_data(args, folder, args.teacher)
    name = f"text, {args.teacher} fine-tuned"
    flags = (*models(args.teacher)[name], *capped(args))
    return [Run(name, data, flags, seed, folder, (VALID,)) for seed in range(1, TEACHERS + 1)]


def teach(args: argparse.Namespace) -> tuple[Path, Path]:
    """MELD's transcripts and the made-up ones, and the teachers' probabilities for training.

    Returns:
        The DATA folder, and the table for ``--teacher``.
    """
    out = args.out.resolve()
    teachers = teacher_runs(args)
    meld = read_manifest(teachers[0].data.with_name("manifest.tsv")).rows
    training = [row for row in meld if row.split == "train"]
    unlabelled = made_up(training, parts=0, splices=1, following=False, label=MELD_CLASSES[0])
    asked = [*training, *unlabelled]
    data = tokens_data(out / "asked", "MELD and made up", args.teacher, asked, args.jobs)
    execute_all(teachers, jobs=args.jobs)
    told = mean_said(teachers, data, out)
    write_table(told, out / "teachers.tsv")
    chosen = [
        replace(row, label=max(told[row.id], key=told[row.id].__getitem__)) for row in unlabelled
    ]
    taught = tokens_data(out / "taught", "MELD", PUPIL, [*meld, *chosen], args.jobs)
    return taught, out / "teachers.tsv"


def write_table(told: Said, file: Path) -> None:
    """Probabilities as ``--criterion ce_distilled`` reads them."""
    names = list(next(iter(told.values())))
    lines = ["\t".join(["id", *(f"p_{name}" for name in names)])]
    for row, shares in told.items():
        lines.append("\t".join([row, *(f"{shares[name]:.6g}" for name in names)]))
    write_whole(file, "\n".join(lines) + "\n")


def taught_models(teacher: str, table: Path, rows: int) -> Models:
    """The row of the table: that of meld_text, with a teacher and as many updates as there are.

    Args:
        teacher: its name.
        table: what it said.
        rows: for training.
    """
    criterion = ("ce_distilled", "--teacher", str(table))
    updates = EPOCHS * math.ceil(rows / BATCH)
    flags = models(PUPIL, criterion)[f"text, {PUPIL} fine-tuned"]
    as_many = ("--warmup-updates", str(updates // 10), "--total-num-update", str(updates))
    return {f"text, {PUPIL} taught by {teacher}": (*flags, *as_many)}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the recipe."""
    parser = recipe_parser(__doc__, "runs/taught_minilm/meld", seeds=3)
    parser.add_argument("tables", type=Path, metavar="FOLDER")
    parser.add_argument("--teacher", choices=sorted(SCALES), default="mpnet")
    parser.add_argument(
        *("--teachers",),
        type=Path,
        default=Path("runs/meld_text"),
        help="where meld_text's runs are, or go to",
    )
    parser.add_argument("--partial", action="store_true", help="although rows are missing")
    args = parser.parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    data, table = teach(args)
    rows = taught_models(args.teacher, table, len(Store(data).split("train", ()).rows))
    title = "MELD, test rows of the official split"
    run_tables([Table("MELD", title, data, rows, out)], args)


if __name__ == "__main__":
    run_command(main)
