"""CMU-MOSI by MiniLM, taught by MPNet, which is five times its size.

    python -m examples.recipes.taught_minilm.recipe FILE.npz

MOSI's 1,284 training utterances are few for a small encoder, and MPNet learns more of them. So
MPNet, fine-tuned on MOSI (three seeds, runs of the recipe mosi_text_audio, taken where they are
there), scores 9,500 utterances made of the training utterances' words (made_up.py). MiniLM learns
the mean of the three scores beside MOSI's own labels, and is then fine-tuned on MOSI as in that
recipe, with its very settings. The outcome is as small and as fast as any MiniLM, and needs its
teachers no more.

Contract
    needs   the .npz of mosi_utterance; of it the transcripts and the openSMILE audio
    split   the official one; the teachers, what is made up and the pupil see training rows only,
            and every epoch is chosen on validation
    gives   results.md, MOSI.json, and a folder a run
    beside  the rows of mosi_text_audio, which are of the same encoder without a teacher
    time    seen on a shared machine: the teachers 8 to 10 minutes each, and 4 to score in 32 bits,
            as for the README's figures, or half of that in bfloat16, as it is now; a pupil 14 to
            21; each run that is fine-tuned 4

That the made-up utterances are MOSI's own was chosen on validation, one seed: taught on MELD's
training utterances instead, the pupil had .791 (and .762 when fine-tuned with fair samples as
batches), with both .751 after its first epoch, with MOSI's .753 after as many updates.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from examples.recipes.corpora import POOL_SENTENCES, prepare_mosi, tokens_and_sentences
from examples.recipes.mosi_text_audio import ENCODERS, models
from examples.recipes.recipe import Models, Table, capped, recipe_parser, run_tables
from examples.recipes.taught_minilm.made_up import made_up
from examples.recipes.taught_minilm.teachers import PUPIL, SCORE, mean_said, tokens_data
from mia_fairseq.command import run as run_command
from mia_fairseq.data.format.store import Store
from mia_fairseq.experiments.runner import VALID, Run, execute_all
from preprocess.tables.manifest import read_manifest

TEACHERS = 3  # seeds
PARTS, SPLICES = 2, 5  # made up of each utterance
BATCH, EPOCHS = 32, 5


def teacher_runs(args: argparse.Namespace) -> list[Run]:
    """The large encoder on MOSI's transcripts, as mosi_text_audio has it."""
    folder = args.teachers.resolve() / args.teacher
    extractors = tokens_and_sentences(args.teacher)
    data = prepare_mosi(args.features.resolve(), folder, extractors, POOL_SENTENCES, jobs=args.jobs)
    name = f"text, {args.teacher} fine-tuned"
    flags = (*models(args.teacher)[name], *capped(args))
    return [Run(name, data, flags, seed, folder, (VALID,)) for seed in range(1, TEACHERS + 1)]


def teach(args: argparse.Namespace) -> Path:
    """DATA of MOSI's transcripts with their scores, and of the made-up ones with the teachers'."""
    out = args.out.resolve()
    teachers = teacher_runs(args)
    mosi = read_manifest(teachers[0].data.with_name("manifest.tsv")).rows
    training = [row for row in mosi if row.split == "train"]
    unscored = made_up(training, parts=PARTS, splices=SPLICES, following=True, label="0")
    data = tokens_data(out / "unscored", "CMU-MOSI, made up", args.teacher, unscored, args.jobs)
    execute_all(teachers, jobs=args.jobs)
    told = mean_said(teachers, data, out)
    taught = [row for row in mosi if row.split != "test"]
    for row in unscored:
        taught.append(replace(row, label=f"{np.clip(told[row.id][SCORE], -3, 3):.6g}"))
    return tokens_data(out / "taught", "CMU-MOSI, as spoken and made up", PUPIL, taught, args.jobs)


def pupil_flags(data: Path) -> tuple[str, ...]:
    """How the small encoder learns what DATA's rows are scored."""
    updates = EPOCHS * math.ceil(len(Store(data).split("train", ()).rows) / BATCH)
    return (
        *("--arch", "unimodal", "--criterion", "mae_krl", "--encoder", f"text=hf:{PUPIL}"),
        *("--optimizer", "adam_fused", "--lr", "1e-3", "--encoder-lr-scale", "0.1"),
        *("--weight-decay", "0.01", "--batch-size", str(BATCH), "--group-by-length"),
        *("--lr-scheduler", "polynomial_decay", "--warmup-updates", str(updates // 10)),
        *("--total-num-update", str(updates), "--max-epoch", str(EPOCHS)),
        *("--patience", str(EPOCHS)),
    )


def taught_models(pupils: Path, teacher: str) -> Models:
    """Rows of the table: those of mosi_text_audio, begun from what the pupil of the same seed
    learnt."""
    rows = models(PUPIL, f"trained:{pupils / 'seed{seed}' / 'checkpoint_best.pt'}")
    return {
        f"{fusion}, {PUPIL} taught by {teacher}": rows[f"{fusion}, {PUPIL} fine-tuned"]
        for fusion in ("text", "text and audio")
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the recipe."""
    parser = recipe_parser(__doc__, "runs/taught_minilm", seeds=3)
    parser.add_argument("features", type=Path, metavar="FILE.npz")
    parser.add_argument("--teacher", choices=sorted(ENCODERS), default="mpnet")
    parser.add_argument(
        *("--teachers",),
        type=Path,
        default=Path("runs/mosi_text_audio"),
        help="where mosi_text_audio's runs are, or go to",
    )
    args = parser.parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    taught = teach(args)
    pupils = [
        Run("pupil", taught, (*pupil_flags(taught), *capped(args)), seed, out, (VALID,))
        for seed in range(1, args.seeds + 1)
    ]
    execute_all(pupils, jobs=args.jobs)
    read = {"text": f"{PUPIL}_tokens"}
    data = prepare_mosi(args.features.resolve(), out / "mosi", read, jobs=args.jobs)
    rows = taught_models(pupils[0].folder.parent, args.teacher)
    title = "MOSI, test rows of the official split"
    run_tables([Table("MOSI", title, data, rows, out)], args)


if __name__ == "__main__":
    run_command(main)
