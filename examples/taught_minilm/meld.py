"""MELD by MiniLM, taught by MPNet, which is five times its size.

    python -m examples.taught_minilm.meld FOLDER

MPNet, fine-tuned on MELD (one seed, a run of the recipe meld_text, taken where it is there), gives
its probabilities for the training rows; MiniLM is fine-tuned as in that recipe, with its very
settings, on those probabilities beside the labels (``--criterion ce_distilled``).

Contract
    needs   MELD's three .csv files
    split   the official one, 9989 / 1109 / 2610; the epoch is chosen on validation, by weighted F1.
            The teacher speaks of training rows only
    gives   results.md, MELD.json, and a folder a run
    beside  the rows of meld_text, which are of the same encoder without a teacher
    time    seen on a shared machine: the teacher 36 minutes, and 8 to speak of the training rows; a
            pupil 7 to 10

The weight of the teacher (.7) and the temperature (2) are the defaults; one seed of a bare loop
with them was seen on validation (.591), and nothing else was tried.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples.corpora import POOL_SENTENCES, prepare_meld, tokens_and_sentences
from examples.meld_text.recipe import SCALES, models
from examples.recipe import Table, capped, recipe_parser, run_tables
from examples.runner import VALID, Evaluation, Run, execute_all
from examples.taught_minilm.recipe import PUPIL
from mia_fairseq.command import run as run_command

TRAINING_ROWS = Evaluation("train", "train")


def teacher_run(args: argparse.Namespace) -> Run:
    """The large encoder on MELD's transcripts, as meld_text has it."""
    name = f"text, {args.teacher} fine-tuned"
    flags = (*models(args.teacher)[name], *capped(args))
    data, wanted = _data(args, args.teacher), (VALID, TRAINING_ROWS)
    return Run(name, data, flags, 1, data.parent, wanted)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the recipe."""
    parser = recipe_parser(__doc__, "runs/taught_minilm/meld", seeds=3)
    parser.add_argument("tables", type=Path, metavar="FOLDER")
    parser.add_argument("--teacher", choices=sorted(SCALES), default="mpnet")
    parser.add_argument(
        *("--runs",),
        type=Path,
        default=Path("runs/meld_text"),
        help="where meld_text's runs are, or go to",
    )
    parser.add_argument("--partial", action="store_true", help="although rows are missing")
    args = parser.parse_args(argv)
    teacher = teacher_run(args)
    execute_all([teacher])
    criterion = ("ce_distilled", "--teacher", str(teacher.folder / f"{TRAINING_ROWS.name}.tsv"))
    flags = models(PUPIL, criterion)[f"text, {PUPIL} fine-tuned"]
    rows = {f"text, {PUPIL} taught by {args.teacher}": flags}
    title = "MELD, test rows of the official split"
    run_tables([Table("MELD", title, _data(args, PUPIL), rows, args.out.resolve())], args)


def _data(args: argparse.Namespace, encoder: str) -> Path:
    return prepare_meld(
        args.tables.resolve(),
        args.runs.resolve() / encoder,
        tokens_and_sentences(encoder),
        POOL_SENTENCES,
        partial=args.partial,
        jobs=args.jobs,
    )


if __name__ == "__main__":
    run_command(main)
