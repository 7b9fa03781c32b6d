"""Tokens a CPU second of fairseq-train with an encoder that learns by LoRA, beside a bare loop.

    python -m examples.benchmarks.training.encoder_tokens [--encoder minilm mpnet] [--quick]

fairseq-train itself runs in this process, on GENERATED utterances of MELD's lengths: ``--lora
text=8``, ``--group-by-length``, batches of at most ``--max-tokens``. After each of its updates the
bare loop (`transformers`, `peft`, AdamW) takes one on a copy of the encoder, and of the same rows:
so both take turns, with the same tokens and the same padding. Tokens are those of utterances,
without padding; fewer positions than tokens are read where utterances joined to a dialogue lose
their own first and last one. fairseq-train's time is all from the end of one bare step to the
start of the next: loading, collating, step, norm, metrics, log. The bare loop has its rows in
memory, pads them and steps. ``rows`` reads each utterance by itself, ``dialogue`` whole dialogues
at once. Weights are random, of the released shapes. With ``--bf16`` fairseq-train has that flag,
and the bare loop stays in float32, so the ratio tells what the flag gains or costs here.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from fairseq.tasks import FairseqTask
from torch import Tensor

from examples.benchmarks.framework_tax import fairseq_train
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    arguments,
    machine,
    milliseconds,
    seconds,
    start,
)
from examples.benchmarks.training.bare_encoder import BareLoop
from examples.benchmarks.training.token_rows import (
    EMOTIONS,
    ENCODERS,
    SMALL,
    write_dialogues,
    write_encoder,
)
from mia_fairseq.data.format.store import Store

RANK, LR = 8, 5e-4
READ = ("rows", "dialogue")
WARM_UP = 2  # updates that do not count


class Turns:
    """Lets a bare step follow each update of fairseq-train, and notes what both took."""

    def __init__(self, bare: BareLoop, data: Path, read: str) -> None:
        split = Store(data).split("train")
        table = split.features["text"]
        self.rows = [torch.from_numpy(np.array(table[row], np.int64)) for row in range(len(split))]
        self.groups = [row.group for row in split.rows] if read == "dialogue" else None
        self.bare = bare
        self.batch: dict[str, Any] = {}
        self.ours: list[float] = []
        self.loop: list[float] = []
        self.tokens: list[int] = []
        self.padded: list[int] = []
        self.since: float | None = None

    def noting(self, train_step: Callable[..., Any]) -> Callable[..., Any]:
        """A task's `train_step`, whose batches are known here."""

        def step(task: Any, sample: dict[str, Any], *given: Any, **named: Any) -> Any:
            self.batch = sample
            return train_step(task, sample, *given, **named)

        return step

    def after_update(self, end_of_epoch: bool) -> None:
        """Called when fairseq-train has done with an update."""
        now = seconds()
        rows, target = self.sequences(self.batch["id"].tolist()), self.batch["target"]
        begun = seconds()
        self.bare.step(rows, target)
        ended = seconds()
        if self.since is not None:
            self.ours.append(now - self.since)
            self.loop.append(ended - begun)
            self.tokens.append(sum(len(row) for one in rows for row in one))
            self.padded.append(self.batch["net_input"]["features"]["text"].numel())
        self.since = None if end_of_epoch else seconds()

    def sequences(self, rows: Sequence[int]) -> list[list[Tensor]]:
        """The tokens of a batch's rows, by what is read at once."""
        found: list[list[Tensor]] = []
        last: Any = None
        for row in rows:
            group = row if self.groups is None else self.groups[row]
            if not found or group != last:
                found.append([])
            found[-1].append(self.rows[row])
            last = group
        return found

    def rates(self) -> tuple[Any, Any]:
        """Tokens a second of each step that counts, fairseq-train's and the bare loop's."""
        tokens = np.array(self.tokens, np.float64)[WARM_UP:]
        return tokens / np.array(self.ours)[WARM_UP:], tokens / np.array(self.loop)[WARM_UP:]


def take_turns(folder: Path, read: str, args: argparse.Namespace, turns: int) -> Turns:
    """A training of so many updates that count."""
    data, most = folder / "DATA", args.max_tokens
    noted = Turns(BareLoop(folder / "encoder", RANK, len(EMOTIONS), LR), data, read)
    flags = [str(data), "--user-dir", "mia_fairseq", "--task", "multimodal_affect", "--cpu"]
    flags += ["--arch", "unimodal", "--criterion", "ce_krl", "--no-main-adapter", "--read", read]
    flags += ["--encoder", f"text=hf:{folder / 'encoder'}", "--lora", f"text={RANK}"]
    flags += ["--optimizer", "adam_fused", "--lr", str(LR), "--weight-decay", "0.01"]
    flags += ["--group-by-length", "--max-tokens", str(most), "--batch-size", str(most)]
    flags += ["--max-update", str(turns + WARM_UP + 1), "--disable-validation", "--no-save"]
    flags += ["--no-progress-bar", "--save-dir", str(folder / read), "--seed", str(args.seed)]
    flags += ["--bf16"] if args.bf16 else []
    with patch.object(FairseqTask, "train_step", noted.noting(FairseqTask.train_step)):
        fairseq_train(flags, noted.after_update)
    return noted


def measure(args: argparse.Namespace) -> TimingReport:
    """Each encoder on utterances, then on dialogues."""
    shapes = SMALL if args.quick else ENCODERS
    turns = 2 if args.quick else args.turns
    precision = "bfloat16 beside float32" if args.bf16 else "float32"
    setting = {**machine(), "tokens a batch": args.max_tokens, "LoRA of rank": RANK}
    title = "Encoders that learn along, beside a bare loop"
    report = TimingReport(title, {**setting, "precision": precision})
    tables: dict[str, list[dict[str, Any]]] = {read: [] for read in READ}
    for name in args.encoder:
        with TemporaryDirectory() as written:
            folder = Path(written)
            write_encoder(folder / "encoder", shapes[name], args.seed)
            write_dialogues(
                folder / "DATA", shapes[name], args.max_tokens * (turns + WARM_UP + 3), args.seed
            )
            for read in READ:
                noted = take_turns(folder, read, args, turns)
                ours, bare = noted.rates()
                took = {"fairseq-train": (ours, noted.ours), "bare loop": (bare, noted.loop)}
                tables[read] += [
                    {
                        "encoder": name,
                        "loop": loop,
                        "tokens a CPU second": float(np.median(rate)),
                        "ms a step": milliseconds(np.array(times[WARM_UP:])),
                        "steps": len(rate),
                        "positions read a token": sum(noted.padded) / sum(noted.tokens),
                    }
                    for loop, (rate, times) in took.items()
                ]
                ratio = Ratio.of(ours, bare)
                report.ratios[f"{name}, {read}: tokens of fairseq-train / bare loop"] = ratio
    report.tables = {f"--read {read}": rows for read, rows in tables.items()}
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--encoder", nargs="+", choices=tuple(ENCODERS), default=list(ENCODERS))
    parser.add_argument("--max-tokens", type=int, default=512, help="of a batch, with padding")
    parser.add_argument("--bf16", action="store_true", help="fairseq-train with --bf16")
    start(measure, parser)
