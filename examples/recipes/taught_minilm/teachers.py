"""What trained runs say of utterances that nobody labelled, and a pupil's manifest made of it.

    python -m examples.recipes.taught_minilm.teachers RUNS/EXPERIMENT --row ROW --data DATA \\
        --manifest manifest.tsv --made-up made_up.tsv --out FOLDER

writes ``FOLDER/taught.tsv``, the manifest's rows and the made-up ones with the teachers' mean
score, or their likeliest class; and of classes ``FOLDER/teachers.tsv``, their mean probabilities
for every row of DATA, as ``--criterion ce_distilled`` reads them.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch

from examples.recipes.taught_minilm.made_up import PREFIX
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of, write_json, write_whole
from mia_fairseq.predict.predictor import Predictor
from mia_fairseq.predict.writing.answers import Prediction
from preprocess.tables.manifest import Row, read_manifest, write_manifest

SCORE = "score"  # what stands for a class's name where there are none
RANGE = (-3.0, 3.0)  # of scores

Answers = Mapping[str, Mapping[str, float]]  # id -> each class's probability, or the score


def checkpoints_of(experiment: Path, row: str) -> list[Path]:
    """The best checkpoints of a row of an experiment, one a seed.

    Raises:
        InputError: the experiment has no such row, or it is not finished.
    """
    index = experiment / "index.json"
    try:
        entries = json.loads(index.read_text())["rows"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{index}: cannot be read ({error}); run the experiment first") from error
    for entry in entries:
        if row in [evaluation["row"] for evaluation in entry["evaluations"]]:
            folder = (experiment / entry["folder"]).resolve()
            found = sorted(folder.glob("seed*/checkpoint_best.pt"))[: entry["seeds"]]
            if len(found) == entry["seeds"]:
                return found
    raise InputError(
        f"{index}: has no finished row {row!r}; run the experiment with --rows {row!r}"
    )


def mean_answers(checkpoints: Sequence[Path], data: Path, out: Path) -> Answers:
    """What checkpoints say of DATA's training rows, on average.

    Args:
        checkpoints: the teachers.
        data: the DATA folder.
        out: what each said is kept here, in ``answers{N}.json``.
    """
    given = [_answers(c, data, out / f"answers{n}.json") for n, c in enumerate(checkpoints, 1)]
    return {
        row: {name: fmean(one[row][name] for one in given) for name in first}
        for row, first in given[0].items()
    }


def labelled(row: Row, answer: Mapping[str, float]) -> Row:
    """A made-up row with the teachers' score, or their likeliest class."""
    if SCORE in answer:
        return replace(row, label=f"{min(max(answer[SCORE], RANGE[0]), RANGE[1]):.6g}")
    return replace(row, label=max(answer, key=answer.__getitem__))


def table_of(answers: Answers) -> str:
    """Probabilities as ``--criterion ce_distilled`` reads them."""
    names = list(next(iter(answers.values())))
    lines = ["\t".join(["id", *(f"p_{name}" for name in names)])]
    for row, shares in answers.items():
        lines.append("\t".join([row, *(f"{shares[name]:.6g}" for name in names)]))
    return "\n".join(lines) + "\n"


def _answers(checkpoint: Path, data: Path, file: Path) -> Answers:
    content = json.loads((data / "meta.json").read_text())["content_sha256"]
    about = {"checkpoint": sha256_of(checkpoint), "data": content}
    if file.is_file():
        kept = json.loads(file.read_text())
        if kept["about"] == about:
            return dict(kept["answers"])
    with torch.autocast("cpu", torch.bfloat16):  # as it was trained; half the time
        answers: Answers = {
            row.id: _answer(row) for row in Predictor(checkpoint).predict_split(data, "train")
        }
    write_json(file, {"about": about, "answers": answers})
    return answers


def _answer(row: Prediction) -> dict[str, float]:
    if row.value is None:
        raise InputError(f"row {row.id!r}: the teacher has no answer ({row.reason}); leave it out")
    return row.probabilities or {SCORE: float(row.value)}


def main(argv: Sequence[str] | None = None) -> None:
    """Asks the teachers and writes what they answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", type=Path, help="its folder below --out")
    parser.add_argument("--row", required=True, help="of the experiment: the teachers, one a seed")
    parser.add_argument("--data", type=Path, required=True, help="rows for the teachers to read")
    parser.add_argument("--manifest", type=Path, required=True, help="rows with known labels")
    parser.add_argument("--splits", nargs="+", help="of the manifest (default: all)")
    parser.add_argument("--made-up", type=Path, required=True, help="manifest of made_up.py")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args(argv)
    answers = mean_answers(checkpoints_of(args.experiment, args.row), args.data, args.out)
    known = read_manifest(args.manifest).rows
    kept = [row for row in known if not args.splits or row.split in args.splits]
    made = [row for row in read_manifest(args.made_up).rows if row.id.startswith(PREFIX)]
    taught = [*kept, *(labelled(row, answers[row.id]) for row in made)]
    write_manifest(args.out / "taught.tsv", taught)
    if SCORE not in next(iter(answers.values())):
        write_whole(args.out / "teachers.tsv", table_of(answers))


if __name__ == "__main__":
    run_command(main)
