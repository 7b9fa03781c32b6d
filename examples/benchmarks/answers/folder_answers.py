"""Answers of the ready models with faces: what each stage costs, beside the models' bare calls.

    python -m examples.benchmarks.answers.folder_answers [--clips 96] [--quick] [--json FILE]

One command, ``python -m mia_fairseq.predict CLIPS --faces --out answers.csv``, answers for one of
the demo's GENERATED clips, of about four seconds, and for a folder of them. Each time it is a new
process, watched by `answer_stages`, which says what is counted where. After it a process loads the
same models by their own libraries (CTranslate2, onnxruntime) and makes the very calls that they
got, and nothing else: Silero's voice activity, Whisper, MiniLM with the heads of the two models
behind it (one graph each), RetinaFace. Ratios compare CPU seconds of the two processes; decoding,
and drawing the picture, are told apart, for no model's call can stand for them. The models are in
the cache, on one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.benchmarks.answers.answer_stages import DECODE, LOAD, START, WRITE
from examples.benchmarks.timing import Ratio, TimingReport, arguments, machine, start
from examples.demo_corpus.__main__ import make_clip, make_corpus, plan_corpus
from examples.demo_corpus.talking_head import TalkingHead

CHILD = "examples.benchmarks.answers.answer_stages"
Spent = dict[str, float]


def child(*given: str | Path) -> None:
    """Runs the watched or the bare process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", CHILD, *map(str, given)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def turn(clips: Path, scratch: Path) -> tuple[Spent, Spent]:
    """CPU seconds of the stages, and of the bare calls."""
    calls, told = scratch / "calls.npz", scratch / "spent.json"
    child("watch", calls, told, clips, "--faces", "--out", scratch / "answers.csv")
    stages = json.loads(told.read_text())
    child("bare", calls, told)
    return stages, json.loads(told.read_text())


def measure(args: argparse.Namespace) -> TimingReport:
    """One clip some times and the folder once; --quick asks for one clip alone.

    A first answer does not count, for it may make the models' graphs.
    """
    clips, turns = (1, 1) if args.quick else (args.clips, args.turns)
    report = TimingReport("Answers with faces", {**machine(), "clips": clips, "turns": turns})
    with tempfile.TemporaryDirectory() as folder:
        scratch, whole = Path(folder), Path(folder) / "clips"
        if args.quick:
            whole.mkdir()
            make_clip(plan_corpus(24, args.seed)[0], TalkingHead(96), args.seed, whole / "one.mp4")
        else:
            make_corpus(scratch, clips, args.seed)
        asked = {"one clip": (min(whole.iterdir()), 1), "the folder": (whole, clips)}
        if args.quick:
            del asked["the folder"]
        else:
            turn(asked["one clip"][0], scratch)
        taken: dict[str, list[tuple[Spent, Spent]]] = {name: [] for name in asked}
        for number in range(turns):
            for name, (path, _) in asked.items():
                if number == 0 or path != whole:
                    taken[name].append(turn(path, scratch))
    for name, (_, count) in asked.items():
        tell(report, name, count, taken[name])
    return report


def tell(report: TimingReport, name: str, clips: int, taken: Sequence[tuple[Spent, Spent]]) -> None:
    """Puts one way of asking into the report."""
    stages, calls = ([one[place] for one in taken] for place in (0, 1))
    report.tables[f"{name}: stages"] = _table("stage", stages, clips)
    report.tables[f"{name}: bare calls"] = _table("model", calls, clips)
    whole, apart, bare, load = (
        np.array([sum(one[key] for key in chosen if key in one) for one in many])
        for many, chosen in (
            *((stages, chosen) for chosen in (stages[0], (DECODE, WRITE))),
            *((calls, chosen) for chosen in (calls[0], (LOAD,))),
        )
    )
    begun = np.array([one[START] for one in stages])
    report.ratios[f"{name}: CPU seconds a clip"] = float(np.median(whole)) / clips
    report.ratios[f"{name}: all but decoding and picture / bare process"] = Ratio.of(
        whole - apart, bare
    )
    report.ratios[f"{name}: the same without start-up and loading"] = Ratio.of(
        whole - apart - begun, bare - load
    )


def _table(head: str, taken: Sequence[Spent], clips: int) -> list[dict[str, Any]]:
    medians = {key: float(np.median([one.get(key, 0.0) for one in taken])) for key in taken[0]}
    whole = sum(medians.values())
    return [
        {head: key, "CPU ms a clip": 1000 * spent / clips, "share": spent / whole}
        for key, spent in sorted(medians.items(), key=lambda told: -told[1])
    ]


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=96)
    parser.set_defaults(turns=5)
    start(measure, parser)
