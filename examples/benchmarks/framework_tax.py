"""fairseq-train's step against the same model in a bare loop.

    python -m examples.benchmarks.framework_tax [--optimizer NAME ...] [--device cuda] [--quick]

fairseq-train itself runs, in this process: its loop, iterator, trainer, progress log, and the
plugin's task, criterion and optimizer. After each of its updates the bare loop takes one step of
its own on a second model of the same weights, so both take turns. A step of fairseq-train is all
the time from the end of one bare step to the start of the next: loading and collating a batch
from disk (by a thread that reads ahead; told apart as its mean, `loading`), forward, loss,
backward, scaling, norm, update, metrics, log, and the question whether to validate. Steps at which
an epoch ends or begins do not count.

The bare loop holds all rows in memory, draws them at random, and has neither metrics nor a norm
nor any check: forward, mean joint loss, backward, Adam. Against ``adam_fused`` its Adam is
torch's fused one, against ``adam`` torch's default.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fairseq_cli.train
import numpy as np
import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed import utils as distributed_utils

from examples.benchmarks.corpus import write_corpus
from examples.benchmarks.device_limits import add_device_option
from examples.benchmarks.steps import PAPER_BATCH, PAPER_DIMS, Batch, adam, mia_net, training_step
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    seconds,
    start,
)
from mia_fairseq.complexity.cost import SetUp
from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format.store import Store

ROWS = {"train": 20, "valid": 1}  # batches
FUSED = {"adam_fused": True, "adam": False}


class Stopwatch:
    """Notes fairseq-train's steps, and takes a bare step after each."""

    def __init__(self, bare: Callable[[], Any], device: str = "cpu") -> None:
        self.bare, self.device = bare, device
        self.framework: list[float] = []
        self.loop: list[float] = []
        self.loading: list[float] = []
        self.loaded = 0.0
        self.since: float | None = None

    def between_steps(self, end_of_epoch: bool) -> None:
        """Called when fairseq-train has done with an update."""
        now = seconds(self.device)
        if self.since is not None and not end_of_epoch:
            self.framework.append(now - self.since)
            self.loop.append(float(alternate({"bare": self.bare}, 1, 0, self.device)["bare"][0]))
        self.since = None if end_of_epoch else seconds(self.device)
        self.loading.append(self.loaded)
        self.loaded = 0.0

    def timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method of the dataset, whose time counts as loading, in whatever thread it runs."""

        def load(*given: Any) -> Any:
            begun = time.thread_time()
            try:
                return method(*given)
            finally:
                self.loaded += time.thread_time() - begun

        return load


def bare_step(data: Path, size: int, fused: bool, seed: int, device: str) -> Callable[[], Any]:
    """The same model's step on rows in memory."""
    split = Store(data).split("train")
    dims = {name: spec.dim for name, spec in split.store.modalities.items()}
    model = mia_net(SetUp(dims, outputs=1), seed)
    model.fit_normalization(split)
    model.to(device)
    rows = {n: torch.from_numpy(np.array(t.vectors))[:, None] for n, t in split.features.items()}
    labels = torch.from_numpy(split.labels.astype(np.float32))
    optimizer = adam(model.parameters(), fused)

    def step() -> None:
        chosen = torch.randint(len(labels), (size,))
        features = {name: values[chosen] for name, values in rows.items()}
        lengths = {name: torch.ones(size, dtype=torch.int64) for name in rows}
        batch = Batch(features, lengths, labels[chosen]).to(device)
        training_step(model, batch, optimizer)()

    return step


def fairseq_train(flags: Sequence[str], after_update: Callable[[bool], Any]) -> None:
    """fairseq-train with these flags in this process; nothing is validated or saved.

    Args:
        flags: of fairseq-train.
        after_update: called after each update, with whether it ends an epoch.
    """
    parser = options.get_training_parser()
    cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, list(flags)))
    ask = fairseq_cli.train.validate_and_save

    def asked(*given: Any) -> Any:
        *_, end_of_epoch = given
        answer = ([None], False) if end_of_epoch else ask(*given)
        after_update(end_of_epoch)
        return answer

    with patch.object(fairseq_cli.train, "validate_and_save", asked):
        distributed_utils.call_main(cfg, fairseq_cli.train.main)


def measure(args: argparse.Namespace) -> TimingReport:
    """Steps of both, with each optimizer."""
    dims, size = (PAPER_DIMS, PAPER_BATCH) if not args.quick else ({"text": 32, "audio": 16}, 4)
    epochs = 2 if args.quick else max(2, -(-args.turns // (ROWS["train"] - 2)))
    report = TimingReport("The framework's tax", {**machine(args.device), **dims, "batch": size})
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "DATA"
        write_corpus(data, dims, {name: size * count for name, count in ROWS.items()}, args.seed)
        for optimizer in args.optimizer:
            flags = [str(data), "--user-dir", "mia_fairseq", "--task", "multimodal_affect"]
            flags += ["--arch", "mia_net", "--criterion", "mae_krl", "--no-save"]
            flags += ["--cpu"] if args.device == "cpu" else []
            flags += ["--optimizer", optimizer, "--batch-size", str(size), "--no-progress-bar"]
            flags += [
                "--max-epoch",
                str(epochs),
                "--save-dir",
                str(Path(folder) / optimizer),
                "--patience",
                "-1",
            ]
            flags += ["--aux-modalities", ",".join(list(dims)[1:])]
            bare = bare_step(data, size, FUSED[optimizer], args.seed, args.device)
            bare()
            stopwatch = Stopwatch(bare, args.device)
            with ExitStack() as patched:
                for name in ("__getitem__", "collater"):
                    timed = stopwatch.timed(getattr(AffectDataset, name))
                    patched.enter_context(patch.object(AffectDataset, name, timed))
                fairseq_train(flags, stopwatch.between_steps)
            framework, loop = np.array(stopwatch.framework), np.array(stopwatch.loop)
            loading = np.full_like(framework, np.mean(stopwatch.loading))
            report.tables[f"--optimizer {optimizer}"] = [
                {"step": "fairseq-train", "ms": milliseconds(framework), "steps": len(framework)},
                {"step": "of which loading", "ms": milliseconds(loading), "steps": len(loading)},
                {"step": "bare loop", "ms": milliseconds(loop), "steps": len(loop)},
            ]
            ratio = Ratio.of(framework, loop)
            report.ratios[f"{optimizer}: fairseq-train / bare loop"] = ratio
            without = Ratio.of(framework - loading, loop)
            report.ratios[f"{optimizer}: fairseq-train but loading / bare loop"] = without
    return report


if __name__ == "__main__":
    options_ = add_device_option(arguments(__doc__))
    options_.add_argument("--optimizer", nargs="+", choices=tuple(FUSED), default=list(FUSED))
    start(measure, options_)
