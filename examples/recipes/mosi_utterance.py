"""CMU-MOSI from published utterance features: from import to the table, several seeds.

    python -m examples.recipes.mosi_utterance FILE.npz --out runs/mosi_utterance --seeds 5

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

``--sentences`` also writes DATA_S, with MiniLM's vectors of the transcripts as a fourth modality,
for ``mia_fairseq.experiments context_sentences``.

With context, auxiliaries are the mean text of the three utterances before, of the three after, and
of the whole video. It has settings of its own, for there validation does discriminate: 0.58.
"""

from collections.abc import Sequence
from pathlib import Path

from examples.recipes.corpora import add_sentences, made_once
from examples.recipes.recipe import Table, recipe_parser, run_tables
from mia_fairseq.command import run as run_command
from mia_fairseq.experiments.runner import call
from mia_fairseq.files import sha256_of

UPDATES = 1420  # 20 epochs of 71 batches
SHARED = (
    *("--channels", "8", "--dropout", "0.3", "--feature-dropout", "0.3", "--lr", "1e-3"),
    *("--lr-scheduler", "polynomial_decay", "--warmup-updates", "71"),
    *("--total-num-update", str(UPDATES), "--max-epoch", "20", "--patience", "20"),
)
AUDIO_MAIN = ("--main-modality", "audio", "--aux-modalities", "text,video")
# Chosen among a few on validation, where it stands clearly apart: 0.58 against 0.67.
CONTEXT = (
    *("--context", "text[-3:-1],text[+1:+3],text[group]", "--arch", "mia_net"),
    *("--criterion", "mae_krl", "--channels", "8", "--lr", "1e-3", "--batch-size", "32"),
    *("--dropout", "0.3", "--feature-dropout", "0.8", "--main-dropout", "0.7"),
    *("--weight-decay", "10", "--lr-scheduler", "polynomial_decay", "--warmup-updates", "40"),
    *("--total-num-update", "600", "--max-epoch", "15", "--patience", "15"),
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
    parser = recipe_parser(__doc__, "runs/mosi_utterance")
    parser.add_argument("features", type=Path, metavar="FILE.npz")
    parser.add_argument("--sentences", action="store_true", help="write DATA_S too")
    args = parser.parse_args(argv)
    out, file = args.out.resolve(), args.features.resolve()
    out.mkdir(parents=True, exist_ok=True)
    scores = import_features(file, out / "DATA", ())
    classes = import_features(file, out / "DATA7", ("--round-labels",))
    if args.sentences:
        more = ("--extractor", "bc-LSTM's features; sentence: MiniLM, frozen")
        import_features(add_sentences(file, out), out / "DATA_S", more, ("sentence",))
    where = "test rows of bc-LSTM's split"
    run_tables(
        [
            Table("DATA", f"Scores, {where}", scores, SCORES, out),
            Table("DATA7", f"Scores rounded to seven classes, {where}", classes, CLASSES, out),
        ],
        args,
    )


def import_features(
    file: Path, data: Path, flags: Sequence[str], more_modalities: Sequence[str] = ()
) -> Path:
    """Imports the features, unless that is done."""
    modalities = ("text", "audio", "video", *more_modalities)
    with made_once(data, {"file": sha256_of(file), "flags": list(flags)}) as there:
        if not there:
            call(
                [
                    *("python", "-m", "preprocess.import_arrays", str(file)),
                    *("--modalities", *modalities, "--label", "label"),
                    *("--split", "split_bclstm", "--group", "video_id", "--id", "id"),
                    *("--text", "transcript", "--valid-fraction", "0.12", "--valid-seed", "1"),
                    *("--corpus", "CMU-MOSI", "--extractor", "bc-LSTM", "--out", str(data), *flags),
                ],
                data.with_name(f"{data.name}.log"),
            )
    return data


if __name__ == "__main__":
    run_command(main)
