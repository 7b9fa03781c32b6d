"""The main job end to end on a small generated corpus: import, train, evaluate, compare.

    python -m examples.demo --out demo_output

The corpus is GENERATED: each utterance's sentiment is drawn at random and hidden, with noise of
its own, in random directions of text, audio and video features. So the right answer is known:
each modality alone tells part, and a fusion should beat text alone. No figure of it says
anything about real data.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.curves import plot_curves
from examples.runner import TEST, Run, call, execute_all, train_command, validate_command
from examples.tables import summarize
from mia_fairseq.command import run as run_command
from mia_fairseq.data.store import Store
from mia_fairseq.metrics import regression_metrics

ROWS = {"train": 720, "valid": 120, "test": 240}
DIMS = {"text": 32, "audio": 24, "video": 16}
NOISE = {"text": 1.0, "audio": 1.2, "video": 1.4}  # deviation of what each modality tells
MODELS = {
    "text only": ("--arch", "unimodal"),
    "MIA-Net": ("--arch", "mia_net", "--channels", "4"),
}
SETTINGS = ("--criterion", "mae_krl", "--lr", "1e-3", "--max-epoch", "30")


def generate(seed: int) -> dict[str, NDArray[np.generic]]:
    """The corpus as arrays: one latent score a row, seen through each modality's noise."""
    rng = np.random.default_rng(seed)
    rows = sum(ROWS.values())
    score = np.round(rng.uniform(-3, 3, rows) * 5) / 5
    arrays: dict[str, NDArray[np.generic]] = {
        "label": score,
        "split": np.repeat(list(ROWS), list(ROWS.values())),
        "id": np.array([f"generated_{row}" for row in range(rows)]),
    }
    for name, dim in DIMS.items():
        told = score + rng.normal(0, NOISE[name], rows)  # all that this modality knows
        direction = rng.normal(size=dim)
        direction /= np.linalg.norm(direction)
        features = told[:, None] * direction + rng.normal(0, 0.3, (rows, dim))
        arrays[name] = features.astype(np.float32)
    return arrays


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    print("The demo's corpus is GENERATED, with a known signal in each modality.\n")

    corpus = out / "generated.npz"
    partial = out / "generated.partial.npz"
    np.savez(partial, **generate(args.seed))  # type: ignore[arg-type]
    partial.replace(corpus)
    data = out / "DATA"
    importing = [
        *("python", "-m", "preprocess.import_arrays", str(corpus), "--modalities", *DIMS),
        *("--label", "label", "--split", "split", "--id", "id", "--out", str(data)),
        *("--corpus", "generated demo", "--extractor", "generated"),
    ]
    print("$", shlex.join(importing), flush=True)
    call(importing, out / "import.log")

    runs = {
        name: Run(name, data, (*flags, *SETTINGS), args.seed, out / "runs")
        for name, flags in MODELS.items()
    }
    for run in runs.values():
        print("$", shlex.join(train_command(run)))
        print("$", shlex.join(validate_command(run, TEST)), flush=True)
    execute_all(list(runs.values()))

    store = Store(data)
    truth = store.split("test", ()).labels
    mean = np.full(len(truth), store.split("train", ()).labels.mean())
    rows = {"mean of the training labels": [regression_metrics(mean, truth)]}
    rows |= {name: [run.results("test")] for name, run in runs.items()}
    table = "Test rows of the GENERATED corpus:\n\n" + summarize(rows) + "\n"
    (out / "metrics.md").write_text(table)
    plot_curves(
        {name: run.folder / "tensorboard" for name, run in runs.items()}, out / "curves.png"
    )

    print(f"\n{table}\nWrote:")
    written = [data, out / "metrics.md", out / "curves.png"]
    for run in runs.values():
        written += [run.folder / name for name in ("checkpoint_best.pt", "test.json", "test.tsv")]
    for path in written:
        print(" ", path)


if __name__ == "__main__":
    run_command(main)
