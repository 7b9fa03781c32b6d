"""Ridge regression on the same rows and folds: what the fusions are compared with.

    python -m examples.recipes.mosei_video.ridge rows.npz

The strength is chosen on the fold after the one that is tested, which training leaves out, as the
models' epochs are. One line a set of modalities: MAE and correlation over all rows, each tested
once.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.command import run
from mia_fairseq.metrics import regression_metrics

TEXT, AUDIO, VIDEO = "text_bert_cls", "audio_covarep40", "video_openface35"
SETS = ((), (TEXT,), (AUDIO,), (VIDEO,), (TEXT, AUDIO), (TEXT, VIDEO), (TEXT, AUDIO, VIDEO))
STRENGTHS = np.geomspace(1, 1e4, 9)
Matrix = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, metavar="rows.npz")
    args = parser.parse_args(argv)
    with np.load(args.file, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    print("| modalities | n | mae | corr |\n| --- | --- | --- | --- |")
    for names in SETS:
        parts = [arrays[name].astype(np.float64) for name in names]
        features = np.concatenate(parts, axis=1) if parts else np.zeros((len(arrays["label"]), 1))
        truth = arrays["label"].astype(np.float64)
        found = regression_metrics(cross_validated(features, truth, arrays["fold"]), truth)
        corr = "–" if not names else f"{found['corr']:.3f}"
        print(f"| {' + '.join(names) or 'constant'} | {found['n']} | {found['mae']:.4f} | {corr} |")


def cross_validated(features: Matrix, truth: Matrix, fold: NDArray[np.int64]) -> Matrix:
    """(n,) the prediction of each row by the model that has not seen it."""
    predicted = np.zeros(len(truth))
    folds = np.unique(fold)
    for place, name in enumerate(folds):
        valid, test = fold == folds[(place + 1) % len(folds)], fold == name
        train = ~(valid | test)
        mean, scale = features[train].mean(axis=0), features[train].std(axis=0)
        scaled = (features - mean) / np.where(scale > 0, scale, 1)
        candidates = [ridge(scaled[train], truth[train], strength) for strength in STRENGTHS]
        guesses = [scaled @ weights + truth[train].mean() for weights in candidates]
        errors = [np.abs(guess[valid] - truth[valid]).mean() for guess in guesses]
        predicted[test] = guesses[int(np.argmin(errors))][test]
    return predicted


def ridge(features: Matrix, truth: Matrix, strength: float) -> Matrix:
    """(d,) weights of centred features (n, d) that minimise squares plus strength · |w|²."""
    gram = features @ features.T + strength * np.eye(len(features))
    weights: Matrix = features.T @ np.linalg.solve(gram, truth - truth.mean())
    return weights


if __name__ == "__main__":
    run(main)
