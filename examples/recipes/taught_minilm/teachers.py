"""What trained runs say of utterances that nobody labelled, and the pupil's DATA made of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import torch

from examples.recipes.corpora import extract_and_binarize
from mia_fairseq.experiments.identity import CONTENT
from mia_fairseq.experiments.runner import Run
from mia_fairseq.files import sha256_of, write_json
from mia_fairseq.predict.predictor import Predictor
from preprocess.tables.manifest import Row, write_manifest

PUPIL = "minilm"
SCORE = "score"  # what stands for a class's name where there are none

Said = Mapping[str, Mapping[str, float]]  # id -> each class's probability, or the score


def tokens_data(folder: Path, corpus: str, encoder: str, rows: Sequence[Row], jobs: int) -> Path:
    """DATA of rows' transcripts, as an encoder's tokens.

    Args:
        folder: what is made goes here; what is there already is not made again.
        corpus: its name.
        encoder: reads the tokens.
        rows: with texts.
        jobs: processes of the extraction.
    """
    manifest = folder.with_suffix(".tsv")
    write_manifest(manifest, rows)
    read = {"text": f"{encoder}_tokens"}
    return extract_and_binarize(folder, corpus, read, (), manifest=manifest, jobs=jobs)


def mean_said(teachers: Sequence[Run], data: Path, out: Path) -> Said:
    """What runs' best checkpoints say of DATA's training rows, on average.

    Args:
        teachers: finished runs.
        data: the DATA folder.
        out: what each said is kept here, in ``said{seed}.json``.
    """
    told = [_said(run, data, out / f"said{run.seed}.json") for run in teachers]
    return {
        row: {name: fmean(one[row][name] for one in told) for name in first}
        for row, first in told[0].items()
    }


def _said(teacher: Run, data: Path, file: Path) -> Said:
    checkpoint = teacher.folder / "checkpoint_best.pt"
    meta = json.loads((data / "meta.json").read_text())
    about = {"checkpoint": sha256_of(checkpoint), "data": meta[CONTENT]}
    if file.is_file():
        kept = json.loads(file.read_text())
        if kept["about"] == about:
            return dict(kept["said"])
    with torch.autocast("cpu", torch.bfloat16):  # as it was trained; half the time
        said: Said = {
            row.id: row.probabilities or {SCORE: float(row.value)}
            for row in Predictor(checkpoint).predict_split(data, "train")
        }
    write_json(file, {"about": about, "said": said})
    return said
