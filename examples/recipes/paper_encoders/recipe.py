"""The paper's own encoders, trained along with the fusion, for a machine with a GPU.

    python -m examples.recipes.paper_encoders.recipe manifest.tsv --corpus CMU-MOSI --out runs/paper

Contract
    needs   a manifest of raw clips (preprocess.corpora.mosi, .mosei or .meld), and the encoders:
            RoBERTa-large, vq-wav2vec with the speech RoBERTa, and FAb-Net. Each is fetched from
            its authors, or read from where --text, --audio and --video say
    split   the official one, as the manifest has it; the epoch is chosen on validation
    gives   results.md, CORPUS.json, and a folder a run
    beside  the paper's rows of TAV-MIA, TA-MIA and text only: MOSI MAE 0.59, 0.59 and 0.60, MELD
            weighted F1 65.82 and 61.32
    cost    python -m examples.recipes.paper_encoders.estimate prints memory and time and how they
    state   run to the end on small checkpoints of the released formats only (in the tests); the
            real files and a GPU were out of reach where this was written

The settings are the paper's (Section 4.3): Adam at 1.7e-5 for everything, batches of 18, 50 epochs,
patience 6, gamma 0.3; one channel and no adapters, since the encoders learn. What it leaves open:
bfloat16 (--floats), gradient checkpointing, gradients clipped at a norm of 1, warm-up of 200
updates, means over time (its ancestors take the first position, which of faces is one picture),
text in lower case (MOSI's is upper case).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.recipes.corpora import extract_and_binarize
from examples.recipes.recipe import Models, Table, recipe_parser, run_tables
from mia_fairseq.command import run as run_command
from mia_fairseq.data.format.store import Store
from mia_fairseq.pretrained.fabnet_network import find_fabnet
from preprocess.extractors.roberta_large import find_roberta
from preprocess.extractors.vqwav2vec import find_speech

EXTRACTORS = {"text": "roberta_tokens", "audio": "vqwav2vec_codes", "video": "face_crops"}
ENCODERS = {"text": "roberta", "audio": "roberta", "video": "fabnet"}
ROWS = {  # name of the row -> its auxiliaries
    "text only": (),
    "TA-MIA": ("audio",),
    "TV-MIA": ("video",),
    "TAV-MIA": ("audio", "video"),
}
FLOATS = {"bf16": ("--bf16",), "fp16": ("--fp16",), "fp32": ()}


def models(sources: Mapping[str, Path], criterion: str, floats: str) -> Models:
    """Rows of the table, by the modalities that they read.

    Args:
        sources: of each modality's encoder, a file or folder.
        criterion: mae_krl or ce_krl.
        floats: a key of `FLOATS`.
    """
    rows = {}
    for row, auxiliaries in ROWS.items():
        encoders = [f"{name}={ENCODERS[name]}:{sources[name]}" for name in ("text", *auxiliaries)]
        rows[row] = (
            *("--arch", "mia_net" if auxiliaries else "unimodal"),
            *("--aux-modalities", ",".join(auxiliaries), "--no-adapters"),
            *("--encoder", ",".join(encoders), "--gradient-checkpointing"),
            *("--criterion", criterion, "--optimizer", "adam_fused", "--lr", "1.7e-5"),
            *("--clip-norm", "1.0", "--lr-scheduler", "inverse_sqrt", "--warmup-updates", "200"),
            *FLOATS[floats],
        )
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the recipe."""
    parser = recipe_parser(__doc__, "runs/paper_encoders")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--corpus", default="CMU-MOSI", help="its name, for the report")
    parser.add_argument("--text", metavar="FOLDER", help="RoBERTa-large (default: fetched)")
    parser.add_argument("--audio", metavar="FOLDER", help="vq-wav2vec and the speech RoBERTa")
    parser.add_argument("--video", metavar="FILE", default="", help="FAb-Net")
    parser.add_argument("--detector", default="retina-face", help="of faces, see README")
    parser.add_argument("--keyframes", default="average", help="a clip, or such as 2/s")
    parser.add_argument("--floats", choices=sorted(FLOATS), default="bf16")
    args = parser.parse_args(argv)
    sources = {
        "text": find_roberta(args.text, "model.pt", "dict.txt"),
        "audio": find_speech(args.audio),
        "video": find_fabnet(args.video),
    }
    options = {
        "text.folder": sources["text"],
        "text.lower": "yes",
        "audio.folder": sources["audio"],
        "video.detector": args.detector,
        "video.keyframes": args.keyframes,
    }
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    flags = [f"--option={name}={value}" for name, value in options.items()]
    data = extract_and_binarize(
        folder,
        args.corpus,
        EXTRACTORS,
        flags,
        manifest=args.manifest.resolve(),
        jobs=args.jobs,
    )
    criterion = "mae_krl" if Store(data).label.kind == "regression" else "ce_krl"
    title = f"{args.corpus}, test rows"
    rows = models(sources, criterion, args.floats)
    run_tables([Table(args.corpus, title, data, rows, folder)], args)


if __name__ == "__main__":
    run_command(main)
