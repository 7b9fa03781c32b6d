"""A first clip from cold: the CPU seconds of one command, by the models' graphs and by torch.

    python -m examples.benchmarks.answers.first_answer [--clip clip.mp4] [--quick] [--json FILE]

The command is ``python -m mia_fairseq.predict clip.mp4`` with the ready models and their encoders
in the cache: a process of its own each time, its user and system time, one thread. Without --clip,
one of the demo's GENERATED clips is taken, of about four seconds.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from examples.benchmarks.processes import command_seconds
from examples.benchmarks.timing import Ratio, Times, TimingReport, arguments, machine, start
from examples.demo_corpus.__main__ import make_clip, plan_corpus
from examples.demo_corpus.talking_head import TalkingHead

GRAPHS, BY_TORCH = "graphs", "torch"
_PREDICT = "from mia_fairseq.predict.__main__ import main; main(sys.argv[1:])"
_NO_GRAPH = "from mia_fairseq.predict.networks import opened_model as opened; "
_NO_GRAPH += "opened.ready_graph = lambda *_: None; "
WAYS = {
    GRAPHS: f"import sys; {_PREDICT}",
    BY_TORCH: f"import sys; {_NO_GRAPH}{_PREDICT}",
}


def answer_seconds(code: str, clip: Path) -> float:
    """CPU seconds of a process that answers for a clip."""
    line = [sys.executable, "-c", code, str(clip)]
    return command_seconds(line, {**os.environ, "OMP_NUM_THREADS": "1"})


def measure(args: argparse.Namespace) -> TimingReport:
    """Both ways in turn; the first turn makes graphs that are not there yet, and does not count."""
    turns, warm_up = (1, 0) if args.quick else (args.turns, 1)
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        clip = args.clip
        if clip is None:
            clip = Path(folder) / "clip.mp4"
            make_clip(plan_corpus(24, args.seed)[0], TalkingHead(96), args.seed, clip)
        for turn in range(turns + warm_up):
            for way, code in WAYS.items():
                spent = answer_seconds(code, clip)
                if turn >= warm_up:
                    taken[way].append(spent)
    times: Times = {way: np.array(spent) for way, spent in taken.items()}
    report = TimingReport("A first answer, from cold", {**machine(), "turns": turns})
    report.tables["CPU seconds of the command"] = [
        {"way": way, "median": float(np.median(spent)), "most": float(spent.max())}
        for way, spent in times.items()
    ]
    report.ratios[f"{GRAPHS} / {BY_TORCH}"] = Ratio.of(times[GRAPHS], times[BY_TORCH])
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.set_defaults(turns=3)
    parser.add_argument("--clip", type=Path)
    start(measure, parser)
