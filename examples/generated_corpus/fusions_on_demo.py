"""Every registered fusion on a small GENERATED corpus, with the same budget: does it learn?

    python -m examples.generated_corpus.fusions_on_demo

The corpus is that of generated_features.py: three modalities, each of which tells part of a hidden
score. Training is a plain loop around the model and the criterion's loss, not fairseq-train, so
that it takes seconds; the epoch is chosen by validation and nothing else is tuned, so the order of
the rows means little. What counts is that each fusion is well below the mean of the labels and
below text alone.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from examples.generated_corpus.generated_features import DIMS, generate
from mia_fairseq.command import run
from mia_fairseq.complexity.cost import SetUp, architectures, build
from mia_fairseq.models.affect_model import AffectModel

EPOCHS, BATCH, LEARNING_RATE, GAMMA = 8, 36, 2e-3, 0.3
CHANNELS = {"mia_net": 4}  # as in the demo; 1 for the others
Batch = tuple[dict[str, Tensor], dict[str, Tensor], Tensor]


def split_of(arrays: dict[str, NDArray[Any]], split: str) -> Batch:
    """Standardized features (N, 1, d), lengths (N,) and labels (N,) of one split."""
    chosen, train = arrays["split"] == split, arrays["split"] == "train"
    features = {}
    for name in DIMS:
        known = arrays[name][train]
        values = (arrays[name][chosen] - known.mean(axis=0)) / known.std(axis=0)
        features[name] = torch.from_numpy(values.astype(np.float32))[:, None]
    lengths = {name: torch.ones(int(chosen.sum()), dtype=torch.int64) for name in DIMS}
    labels = torch.from_numpy(arrays["label"][chosen].astype(np.float32))
    return features, lengths, labels


def learn(arch: str, seed: int, epochs: int = EPOCHS, settings: Sequence[str] = ()) -> float:
    """The test MAE of a fusion after the budget, of the epoch with the best validation MAE.

    Args:
        arch: a registered fusion.
        seed: of the corpus, the weights and the order of rows.
        epochs: the budget.
        settings: of the model, as name=value.
    """
    arrays = generate(seed)
    train, valid, test = (split_of(arrays, split) for split in ("train", "valid", "test"))
    setup = SetUp(DIMS, CHANNELS.get(arch, 1), outputs=1, settings=tuple(settings))
    model = build(arch, setup, seed)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    errors = []
    for _ in range(epochs):
        train_epoch(model, optimizer, train)
        errors.append((error_on(model, valid), error_on(model, test)))
    return min(errors, key=lambda error: error[0])[1]


def train_epoch(model: AffectModel, optimizer: torch.optim.Optimizer, split: Batch) -> None:
    """One pass over the rows in a new order."""
    model.train()
    features, lengths, labels = split
    for rows in torch.randperm(len(labels)).split(BATCH):
        output = model(
            {name: values[rows] for name, values in features.items()},
            {name: values[rows] for name, values in lengths.items()},
        )
        loss = (1 - GAMMA) * (output.prediction - labels[rows]).abs().mean()  # Eq. 13
        if output.penalty is not None:
            loss = loss + GAMMA * output.penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def error_on(model: AffectModel, split: Batch) -> float:
    """The MAE on one split."""
    features, lengths, labels = split
    prediction = model.eval()(features, lengths).prediction
    return float((prediction - labels).abs().mean())


def mean_label(seed: int) -> float:
    """The test MAE of the training labels' mean."""
    arrays = generate(seed)
    label, split = arrays["label"].astype(float), arrays["split"]
    return float(np.abs(label[split == "test"] - label[split == "train"].mean()).mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args(argv)
    print(
        f"Test MAE on the GENERATED corpus after {args.epochs} epochs (batch {BATCH}, Adam "
        f"{LEARNING_RATE:g}), seed {args.seed}:\n"
    )
    print("| model | test MAE |\n| --- | --- |")
    print(f"| mean of the training labels | {mean_label(args.seed):.3f} |")
    for arch in architectures():
        print(f"| {arch} | {learn(arch, args.seed, args.epochs):.3f} |", flush=True)


if __name__ == "__main__":
    run(main)
