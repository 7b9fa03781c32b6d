"""CMU-MOSI with a text encoder that learns along, and 73-d audio: frozen against fine-tuned.

    python -m examples.mosi_text_audio.recipe FILE.npz [--encoder mpnet]

Contract
    needs   the .npz of mosi_utterance; of it the transcripts and the openSMILE audio, which saw
            no labels, so the official split is honest
    split   the official one, 1284 / 229 / 686; the epoch is chosen on validation
    gives   results.md, MOSI.json, and a folder a run
    beside  the paper's Table 1: its text-only row (MAE 0.60, Acc-2 87.96 non0, Acc-7 47.81) is of
            RoBERTa-large; its text + audio row (0.59, 88.72, 48.83) of that and the speech RoBERTa.
            Here the text encoder is MiniLM (22.7 M) or MPNet (109 M), and audio is 73 openSMILE
            functionals, frozen
    time    MiniLM about 8, MPNet about 20 minutes a fine-tuned run on one core

Fine-tuning is plain practice: AdamW, 5e-5 for MiniLM (3e-5 for MPNet) and 1e-3 for what is new,
warm-up of a tenth, linear decay, batches of 16. The branch of an auxiliary starts as nothing
(`--fusion-scale-init 0`), and text alone has the same FFN and head as text with audio.
"""

from collections.abc import Sequence
from pathlib import Path

from examples.corpora import POOL_SENTENCES, prepare_mosi, tokens_and_sentences
from examples.recipe import Models, Table, recipe_parser, run_tables
from mia_fairseq.command import run as run_command

BATCHES = 81  # an epoch, of 16
# name of the encoder -> epochs, and its learning rate as a share of 1e-3
ENCODERS = {"minilm": (10, "0.05"), "mpnet": (5, "0.03")}
TEXT = ("--arch", "unimodal")
WITH_AUDIO = ("--arch", "mia_net", "--aux-modalities", "audio", "--fusion-scale-init", "0")


def models(encoder: str) -> Models:
    """Rows of the table: text alone and with audio, the encoder frozen and learning along."""
    epochs, scale = ENCODERS[encoder]
    shared = (
        *("--criterion", "mae_krl", "--encoder", f"text=hf:{encoder}", "--batch-size", "16"),
        *("--optimizer", "adam_fused", "--lr", "1e-3", "--weight-decay", "0.01"),
        *("--lr-scheduler", "polynomial_decay", "--warmup-updates", str(BATCHES * epochs // 10)),
        *("--total-num-update", str(BATCHES * epochs), "--max-epoch", str(epochs)),
        *("--patience", str(epochs)),
    )
    frozen, tuned = ("--freeze", "text"), ("--encoder-lr-scale", scale)
    return {
        f"text, {encoder} frozen": (*TEXT, *shared, *frozen),
        f"text and audio, {encoder} frozen": (*WITH_AUDIO, *shared, *frozen),
        f"text, {encoder} fine-tuned": (*TEXT, *shared, *tuned),
        f"text and audio, {encoder} fine-tuned": (*WITH_AUDIO, *shared, *tuned),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the recipe."""
    parser = recipe_parser(__doc__, "runs/mosi_text_audio", seeds=3)
    parser.add_argument("features", type=Path, metavar="FILE.npz")
    parser.add_argument("--encoder", choices=sorted(ENCODERS), default="minilm")
    args = parser.parse_args(argv)
    args.out = args.out / args.encoder
    folder = args.out.resolve()
    extractors = tokens_and_sentences(args.encoder)
    data = prepare_mosi(args.features.resolve(), folder, extractors, POOL_SENTENCES)
    title = "MOSI, test rows of the official split"
    run_tables([Table("MOSI", title, data, models(args.encoder), folder)], args)


if __name__ == "__main__":
    run_command(main)
