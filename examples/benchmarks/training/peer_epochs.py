"""An epoch of fairseq-train with MIA-Net beside one of MMSA's own trainer, on MOSI-shaped data.

    python -m examples.benchmarks.training.peer_epochs [--peers lmf tfn mult misa] [--quick]

Needs MMSA, which is not among this project's requirements: ``pip install MMSA`` into an
environment that has this project too. A pickle of MMSA's form is GENERATED: 1,284 rows to train
(two to validate and to test, which nobody does), text 1024, audio 768, vision 256, each row of
`--steps` vectors in all three (MMSA's unaligned file of MOSI has 50 of text, up to 500 of audio
and 375 of vision; its aligned one 50 of each). MMSA's loader, model and trainer read and train it
as they do in ``MMSA_run``, with MMSA's own settings for MOSI, batch included, and its batches are
loaded in this process, which costs it the fewest CPU seconds. LMF and TFN get text as sequences,
audio and vision as MMSA's loader has averaged them, once, before the first epoch. MIA-Net gets
what ``preprocess.import_mmsa`` makes of the same pickle, `sequences`, or of their means over time,
`vectors`, which is what the paper trains on; it is trained by fairseq-train as in `epochs.py`, at
the paper's batch of 18 and at LMF's 64.

MMSA's trainers validate and save after each epoch; here that moment ends the epoch, and nothing is
validated or saved, by either side. The first epoch does not count. `start-up` is from opening the
data to the end of the first update, which MulT makes after eight batches and MISA after two;
imports are not in it. Dear ones (MulT, MISA) train two epochs in one turn, of which one counts, so
that the quartiles beside their ratios are of MIA-Net's epochs alone; the others train three in
each. All on one thread, in turn.

Two changes let MMSA run: MulT's schedule is made without ``verbose``, which torch has no more; and
MISA, which fine-tunes BERT-base and downloads it, looks words up in a table of 768 columns that
stays as it is. So MISA costs less here than as it comes.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from examples.benchmarks.corpus import MOSI_ROWS
from examples.benchmarks.peers import import_mmsa
from examples.benchmarks.steps import PAPER_BATCH, PAPER_DIMS
from examples.benchmarks.timing import Ratio, TimingReport, arguments, machine, start
from examples.benchmarks.training.epochs import EPOCHS, EpochTimes, train
from examples.benchmarks.training.mmsa_trainer import (
    make_arrays,
    peer_settings,
    train_peer,
    write_pickle,
)
from examples.benchmarks.training_step import SMALL
from preprocess.import_mmsa import main as import_pickle

PEERS = ("lmf", "tfn", "mult", "misa")
DEAR, DEAR_EPOCHS = ("mult", "misa"), 2  # one turn only, whose first epoch does not count
LMF_BATCH = 64  # MMSA's for MOSI
QUICK = {"batch": 4, "rows": 24, "steps": 6}


class Trainee(NamedTuple):
    """Who trains, on what, with which batch."""

    name: str
    batch: int

    def __str__(self) -> str:
        return f"{self.name}, batch {self.batch}"


class Measured:
    """CPU seconds of one of them, over all turns."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.starts: list[float] = []

    def add(self, times: EpochTimes) -> None:
        """One training's."""
        self.epochs += times.epochs
        self.starts.append(times.start_up)


def ratio(one: Measured, other: Measured) -> Ratio:
    """Epoch by epoch; of one with fewer epochs, its median against each of the other."""
    first, second = np.array(one.epochs), np.array(other.epochs)
    return Ratio.of(first, second if len(first) == len(second) else np.median(second)[None])


def measure(args: argparse.Namespace) -> TimingReport:
    """All in turn."""
    import_mmsa("MMSA")
    dims, rows, steps = PAPER_DIMS, MOSI_ROWS["train"], args.steps
    batches: dict[str, tuple[int, ...]] = {"ours": (PAPER_BATCH, LMF_BATCH), "lmf": (PAPER_BATCH,)}
    if args.quick:
        dims, rows, steps = SMALL, QUICK["rows"], QUICK["steps"]
        batches = {"ours": (QUICK["batch"],)}
    turns = 1 if args.quick else args.turns
    ours: dict[Trainee, Measured] = {}
    peers: dict[Trainee, Measured] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        arrays = make_arrays(dims, {"train": rows, "valid": 2, "test": 2}, steps, args.seed)
        write_pickle(folder / "sequences.pkl", arrays, args.seed)
        for split, features in arrays.items():
            arrays[split] = {n: x.mean(1, keepdims=True) for n, x in features.items()}
        write_pickle(folder / "vectors.pkl", arrays, args.seed)
        for kind in ("sequences", "vectors"):
            import_pickle([str(folder / f"{kind}.pkl"), "--out", str(folder / kind)])
        for turn in range(turns):
            for kind in ("sequences", "vectors"):
                for size in batches["ours"]:
                    key = Trainee(f"mia_net, {kind}", size)
                    times = train("mia_net", folder / kind, size, "cpu")
                    ours.setdefault(key, Measured()).add(times)
            for peer in args.peers:
                if turn and peer in DEAR:
                    continue
                for batch in (None, *batches.get(peer, ())):
                    given = peer_settings(peer, folder / "sequences.pkl", batch, args.seed)
                    key = Trainee(peer, given["batch_size"])
                    times = train_peer(given, DEAR_EPOCHS if peer in DEAR else EPOCHS)
                    peers.setdefault(key, Measured()).add(times)
    setting = {**machine(), **dims, "rows": rows, "steps": steps}
    report = TimingReport("An epoch beside MMSA's", setting)
    report.tables["CPU seconds"] = [
        {
            "trained": key.name,
            "batch": key.batch,
            "an epoch": float(np.median(taken.epochs)),
            "epochs": len(taken.epochs),
            "start-up": float(np.median(taken.starts)),
        }
        for key, taken in {**ours, **peers}.items()
    ]
    for peer_key, theirs in peers.items():
        for key, taken in ours.items():
            report.ratios[f"{key} / {peer_key}"] = ratio(taken, theirs)
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.set_defaults(turns=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--steps", type=int, default=50, help="vectors of each sequence")
    start(measure, parser)
