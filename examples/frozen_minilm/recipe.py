"""Frozen MiniLM text on official splits: CMU-MOSI with and without audio, and MELD.

    python -m examples.frozen_minilm.recipe --mosi FILE.npz --meld FOLDER --out runs/frozen_minilm

Contract
    needs   MOSI: one .npz with id, video_id, split_official, label, transcript and audio (73
            openSMILE numbers an utterance). MELD: its three tables {train,dev,test}_sent_emo.csv.
            Either may be left out
    split   the official ones: MOSI 1284 / 229 / 686, MELD 9989 / 1109 / 2610. MiniLM never saw
            them, and openSMILE learns nothing, so nothing leaks
    gives   results.md, and MOSI.json and MELD.json
    beside  ridge regression on the same MOSI vectors: MAE 0.954, acc2_non0 0.793; logistic
            regression on MELD's: weighted F1 0.559. The paper's encoders are larger and learn
            together with the fusion, so its rows (text only: MAE 0.60, w-F1 61.32) are no like
    time    half a minute of extraction for MOSI, two for MELD; then 15 seconds a run for MOSI and
            one to two minutes for MELD, on one core

The settings were chosen on validation, among a dozen on MOSI (dropouts, learning rate, width of
the FFN, channels, start of the last batch norm's scale) and two on MELD.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from examples.mosi_utterance.recipe import constant_baseline
from examples.runner import Run, call, execute_all
from examples.tables import summarize
from mia_fairseq.command import run as run_command
from preprocess.files import atomic_path
from preprocess.labelling import split_name
from preprocess.manifest import Row, write_manifest

# Twenty epochs of Adam with warm-up of one and linear decay; a batch is the paper's 18 on MOSI.
MOSI = (
    *("--criterion", "mae_krl", "--lr", "1e-3", "--dropout", "0.5", "--feature-dropout", "0.5"),
    *("--ffn-dim", "128", "--lr-scheduler", "polynomial_decay", "--warmup-updates", "72"),
    *("--total-num-update", "1440", "--patience", "20"),
)
MELD = (
    *("--criterion", "ce_krl", "--lr", "5e-4", "--dropout", "0.5", "--feature-dropout", "0.3"),
    *("--ffn-dim", "512", "--lr-scheduler", "polynomial_decay", "--warmup-updates", "157"),
    *("--total-num-update", "3140", "--patience", "20", "--batch-size", "64"),
)
MOSI_MODELS = {
    "text only": ("--arch", "unimodal", *MOSI),
    "MIA-Net, text and audio": (
        *("--arch", "mia_net", "--aux-modalities", "audio", "--fusion-scale-init", "0", *MOSI),
    ),
}
MELD_MODELS = {"text only": ("--arch", "unimodal", *MELD)}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the recipe."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mosi", type=Path, metavar="FILE.npz")
    parser.add_argument("--meld", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/frozen_minilm"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-epoch", type=int, default=20, help="fewer for a trial")
    parser.add_argument("--jobs", type=int, default=1, help="processes that extract, or runs")
    parser.add_argument(
        "--partial", action="store_true", help="take MELD's tables although rows are missing"
    )
    args = parser.parse_args(argv)
    out = args.out.resolve()
    tables = []
    corpora: list[tuple[str, Path, Mapping[str, tuple[str, ...]]]] = []
    if args.mosi is not None:
        corpora.append(
            ("MOSI", prepare_mosi(args.mosi.resolve(), out / "MOSI", args.jobs), MOSI_MODELS)
        )
    if args.meld is not None:
        flags = ("--partial",) if args.partial else ()
        data = prepare_meld(args.meld.resolve(), out / "MELD", args.jobs, flags)
        corpora.append(("MELD", data, MELD_MODELS))
    for name, data, models in corpora:
        runs = [
            Run(name, data, (*flags, "--max-epoch", str(args.max_epoch)), seed, data.parent)
            for name, flags in models.items()
            for seed in range(1, args.seeds + 1)
        ]
        execute_all(runs, jobs=args.jobs)
        rows = {"constant": [constant_baseline(data)]}
        for run in runs:
            rows.setdefault(run.name, []).append(run.results("test"))
        (out / f"{name}.json").write_text(json.dumps(rows, indent=1))
        tables.append(f"{name}, test rows of the official split:\n\n{summarize(rows)}\n")
    text = "\n".join(tables)
    (out / "results.md").write_text(text)
    print(f"{text}\nwritten to {out / 'results.md'}")


def prepare_mosi(file: Path, folder: Path, jobs: int) -> Path:
    """Manifest and audio vectors out of the .npz, text vectors by MiniLM, then DATA."""
    with np.load(file, allow_pickle=False) as arrays:
        audio = arrays["audio"]
        rows = [
            Row(
                id=str(arrays["id"][place]),
                split=split_name(arrays["split_official"][place]),
                label=f"{arrays['label'][place]:.9g}",
                text=str(arrays["transcript"][place]).lower(),  # MOSI's is upper case
                group=str(arrays["video_id"][place]),
            )
            for place in range(len(audio))
        ]
    for row, vector in zip(rows, audio, strict=True):
        path = folder / "features" / "audio" / f"{row.id}.npy"
        if not path.is_file():
            with atomic_path(path) as partial, partial.open("wb") as written:
                np.save(written, vector[None].astype(np.float32))
    write_manifest(folder / "manifest.tsv", rows)
    return extract_and_binarize(folder, "CMU-MOSI", jobs)


def prepare_meld(tables: Path, folder: Path, jobs: int, flags: Sequence[str] = ()) -> Path:
    """Manifest out of MELD's tables (its clips are not needed), text vectors, then DATA."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = str(folder / "manifest.tsv")
    call(
        ["python", "-m", "preprocess.corpora.meld", str(tables), "--out", manifest, *flags],
        folder / "manifest.log",
    )
    return extract_and_binarize(folder, "MELD", jobs)


def extract_and_binarize(folder: Path, corpus: str, jobs: int) -> Path:
    """Text vectors of a manifest, then DATA; each step only where it is not done."""
    manifest, features, data = (str(folder / n) for n in ("manifest.tsv", "features", "DATA"))
    if not (folder / "DATA" / "meta.json").is_file():
        extract = (
            *("preprocess.extract", manifest, "--out", features, "--modality", "text=minilm"),
            *("--pool", "mean", "--jobs", str(jobs)),
        )
        binarize = ("preprocess.binarize", manifest, "--features", features, "--out", data)
        for step in (extract, (*binarize, "--corpus", corpus)):
            call(["python", "-m", *step], folder / f"{step[0]}.log")
    return folder / "DATA"


if __name__ == "__main__":
    run_command(main)
