"""CMU-MOSI from published utterance features: from import to the table, several seeds.

    python -m examples.mosi_utterance.recipe FILE.npz --out runs/mosi_utterance --seeds 5

Contract
    needs   one .npz with arrays id, video_id, split_bclstm, label, transcript, text (2199, 100),
            audio (2199, 73) and video (2199, 100): the features of bc-LSTM's repository
    split   bc-LSTM's: 62 videos for training, 31 for testing (752 utterances). Validation is
            carved out of the training videos, by whole videos (8 of 62, 185 utterances)
    why     the text and video features were trained, by those who published them, on the labels
            of the 62 training videos. 558 of the official split's 686 test utterances are in
            those videos, so a score on the official split would be inflated
    gives   results.md and results.json, and a folder a run with its curves and predictions
    beside  no row of the paper: its features are others; bc-LSTM with the conversation's context
            reports Acc-2 80.3 (has0) on these very features
    time    about 15 seconds a run on one core

How the settings came about: about twenty were tried (channels 1 to 16, dropouts, learning rates,
schedules, kernel starts, weight decay), and validation could not tell most of them apart: its MAE
lay between 0.665 and 0.70, with seeds 0.01 to 0.02 apart, while the test MAE of the same lay
between 0.929 and 0.955. Since features and validation videos share the leak, validation scores
look far better than test scores and are a weak guide. So the settings are plain practice: 8
channels, both dropouts 0.3, Adam at 1e-3 with warm-up of one epoch and
linear decay over 20. The epoch is chosen by validation.

With context, auxiliaries are the mean text of the three utterances before, of the three after, and
of the whole video. It has settings of its own, for there validation does discriminate: 0.58.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from examples.runner import Run, call, execute_all
from examples.tables import summarize
from mia_fairseq.command import run as run_command
from mia_fairseq.data.store import Store
from mia_fairseq.metrics import classification_metrics, regression_metrics

UPDATES = 1420  # 20 epochs of 71 batches
SHARED = (
    *("--channels", "8", "--dropout", "0.3", "--feature-dropout", "0.3", "--lr", "1e-3"),
    *("--lr-scheduler", "polynomial_decay", "--warmup-updates", "71"),
    *("--total-num-update", str(UPDATES), "--patience", "20"),
)
AUDIO_MAIN = ("--main-modality", "audio", "--aux-modalities", "text,video")
# Chosen among a few on validation, where it stands clearly apart: 0.58 against 0.67.
CONTEXT = (
    *("--context", "text[-3:-1],text[+1:+3],text[group]", "--arch", "mia_net"),
    *("--criterion", "mae_krl", "--channels", "8", "--lr", "1e-3", "--batch-size", "32"),
    *("--dropout", "0.3", "--feature-dropout", "0.8", "--main-dropout", "0.7"),
    *("--weight-decay", "10", "--lr-scheduler", "polynomial_decay", "--warmup-updates", "40"),
    *("--total-num-update", "600", "--patience", "20"),
)
SCORES = {
    "text only": ("--arch", "unimodal", "--criterion", "mae_krl", *SHARED),
    "MIA-Net, text main": ("--arch", "mia_net", "--criterion", "mae_krl", *SHARED),
    "audio only": (*AUDIO_MAIN, "--arch", "unimodal", "--criterion", "mae_krl", *SHARED),
    "MIA-Net, audio main": (*AUDIO_MAIN, "--arch", "mia_net", "--criterion", "mae_krl", *SHARED),
    "MIA-Net, text main, with context": CONTEXT,
}
CLASSES = {"MIA-Net, text main, ce_krl": ("--arch", "mia_net", "--criterion", "ce_krl", *SHARED)}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the recipe."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path, metavar="FILE.npz")
    parser.add_argument("--out", type=Path, default=Path("runs/mosi_utterance"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-epoch", type=int, default=20, help="fewer for a trial")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    args = parser.parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    scores = import_features(args.features.resolve(), out / "DATA", ())
    classes = import_features(args.features.resolve(), out / "DATA7", ("--round-labels",))

    def runs(data: Path, models: Mapping[str, tuple[str, ...]]) -> list[Run]:
        cap = ("--max-epoch", str(args.max_epoch))
        return [
            Run(name, data, (*flags, *cap), seed, out)
            for name, flags in models.items()
            for seed in range(1, args.seeds + 1)
        ]

    score_runs, class_runs = runs(scores, SCORES), runs(classes, CLASSES)
    execute_all([*score_runs, *class_runs], jobs=args.jobs)
    tables = []
    for title, data, of_kind in (
        ("Scores", scores, score_runs),
        ("Scores rounded to seven classes", classes, class_runs),
    ):
        rows = {"constant": [constant_baseline(data)]}
        for run in of_kind:
            rows.setdefault(run.name, []).append(run.results("test"))
        tables.append(f"{title}, test rows of bc-LSTM's split:\n\n{summarize(rows)}\n")
        (out / f"{data.name}.json").write_text(json.dumps(rows, indent=1))
    text = "\n".join(tables)
    (out / "results.md").write_text(text)
    print(f"{text}\nwritten to {out / 'results.md'}")


def import_features(file: Path, data: Path, flags: Sequence[str]) -> Path:
    """Imports the features, unless that is done."""
    if not (data / "meta.json").is_file():
        call(
            [
                *("python", "-m", "preprocess.import_arrays", str(file)),
                *("--modalities", "text", "audio", "video", "--label", "label"),
                *("--split", "split_bclstm", "--group", "video_id", "--id", "id"),
                *("--text", "transcript", "--valid-fraction", "0.12", "--valid-seed", "1"),
                *("--corpus", "CMU-MOSI", "--extractor", "bc-LSTM", "--out", str(data), *flags),
            ],
            data.with_name(f"{data.name}.log"),
        )
    return data


def constant_baseline(data: Path) -> dict[str, object]:
    """The training labels' mean, or the most frequent class, for every test row."""
    store = Store(data)
    train, test = (store.split(name, ()).labels for name in ("train", "test"))
    if store.label.kind == "regression":
        return dict(regression_metrics(np.full(len(test), train.mean()), test))
    most = np.bincount(train.astype(np.int64)).argmax()
    return classification_metrics(np.full(len(test), most), test, store.label.names)


if __name__ == "__main__":
    run_command(main)
