"""Experiments' YAML files, and what runs leave: index, results, predictions."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from harness import make_store
from mutations import change_file, changed_value, damaged
from outcomes import expect

from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.specification import experiment as experiments
from mia_fairseq.experiments.specification.inheritance import located
from mia_fairseq.report.comparison import show
from mia_fairseq.report.html_page import ReportPart, html
from mia_fairseq.report.run_results import sections_of
from mia_fairseq.report.single_runs import is_single, single

OWN = """
claim: a claim
needs: DATA
status: can be run
flags: {lr: 0.001, channels: 2}
groups: {small: {channels: 1}}
values: {name: mia_net}
sweep: {gamma: [0.1, 0.3]}
seeds: 2
reference: first
runs:
  first: {flags: {arch: "{name}"}, use: [small]}
  second: {flags: {arch: concat}, paper: MIA-Net}
paper: {MOSI: {metric: mae, columns: [mae, acc2], rows: {MIA-Net: [0.6, 89.1]}}}
"""


def files(scratch: Path) -> tuple[list[bytes], Path]:
    """Experiments' files, and a DATA folder."""
    names = ("table1", "table4", "fusions", "table8", "which_main", "robustness")
    shipped = [located(name).read_bytes() for name in names]
    return [OWN.encode()] * 6 + shipped, make_store(
        scratch / "DATA", {"text": 3, "audio": 2}, rows={"train": 4, "valid": 3, "test": 3}
    )


def specifications(base: tuple[list[bytes], Path], rng: random.Random, scratch: Path) -> None:
    """A file is planned or refused."""
    content = rng.choice(base[0])
    if rng.random() < 0.7:
        parsed = yaml.safe_load(content)
        for _ in range(rng.choice((0, 1, 1, 2))):
            parsed = changed_value(rng, parsed)
        try:
            content = yaml.safe_dump(parsed).encode()
        except (yaml.YAMLError, RecursionError):
            content = damaged(rng, content)
    elif rng.random() < 0.1:  # each line holds the one before nine times
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        content = ("\n".join(lines) + "\nclaim: *a11\n").encode()
    else:
        content = damaged(rng, content)
    path = scratch / "mine.yaml"
    path.write_bytes(content)
    chosen = experiments.load(str(path), ("text", "audio"))
    planned = plan(chosen, [base[1]], seeds=chosen.seeds, out=scratch / "runs", more={})
    for entry in planned:
        expect(len(entry.runs) == chosen.seeds, f"{len(entry.runs)} runs of {chosen.seeds} seeds")
        expect(all(isinstance(f, str) for run in entry.runs for f in run.flags), "flags")


RESULTS = {"format": 1, "n": 6, "mae": 0.9, "corr": 0.5, "acc7": 0.3, "acc5": 0.4, "acc2_has0": 0.7,
           "f1_has0": 0.7, "acc2_non0": 0.7, "f1_non0": 0.7, "n_non0": 5, "corpus": "c",
           "modalities": ["text"]}  # fmt: skip


def results(scratch: Path) -> Path:
    """A folder of two rows of two seeds, with predictions."""
    rng = np.random.default_rng(0)
    for row in ("one", "two"):
        for seed in (1, 2):
            folder = scratch / "runs" / row / f"seed{seed}"
            folder.mkdir(parents=True)
            (folder / "test.json").write_text(json.dumps(RESULTS))
            lines = [f"u{n}\t{n - 3}\t{rng.normal():.4f}\tg{n // 2}" for n in range(6)]
            (folder / "test.tsv").write_text("id\tlabel\tprediction\tgroup\n" + "\n".join(lines))
    return scratch / "runs"


def reports(base: Path, rng: random.Random, scratch: Path) -> None:
    """``mia_fairseq.report``: a changed file is told in its row, and the others are shown."""
    runs = scratch / "runs"
    shutil.copytree(base, runs)
    victim = rng.choice(sorted(runs.rglob("test.*")))
    change_file(rng, victim)
    given = victim if rng.random() < 0.4 else runs
    sections = [single(given)] if is_single(given) else sections_of([given])
    parts = []
    for section in sections:
        part = ReportPart(section, problems=list(section.problems))
        part.tables = [show(section, table, 100) for table in section.tables]
        parts.append(part)
        for table in section.tables:
            for row in table.rows:
                _check(row)
    expect("<table" in html(parts) or any(part.problems for part in parts), "nothing is shown")


def _check(row: Any) -> None:
    for seed in row.seeds:
        if seed.predictions is not None:
            finite = np.isfinite(seed.predictions.truth).all()
            finite &= np.isfinite(seed.predictions.prediction).all()
            expect(finite, f"predictions of {seed.folder.name} are not finite")
