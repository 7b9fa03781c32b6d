"""The main job end to end on a small generated corpus: from raw clips to a prediction.

    python -m examples.demo --out demo_output

The corpus is GENERATED: a portrait warped to smile and frown, sentences of known sentiment spoken
by a synthetic voice. Words and delivery are drawn independently, so words alone explain half of
the score, and a model that also sees and hears should beat one that only reads. It shows that the
way from clips to a prediction works; no figure of it says anything about people.
"""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.data.format.store import Store
from mia_fairseq.experiments.runner import execute_all
from mia_fairseq.experiments.running.logged_commands import call
from mia_fairseq.experiments.running.training_run import TEST, Run, train_command, validate_command
from mia_fairseq.experiments.summary_tables import summarize
from mia_fairseq.metrics import regression_metrics
from mia_fairseq.report.drawing.curves import plot_curves
from preprocess.extractors.face_expression import FaceExpression
from preprocess.faces.face_sheet import draw_face_sheet
from preprocess.tables.manifest import Row, read_manifest

MODELS = {
    "text only": ("--arch", "unimodal"),
    "MIA-Net": ("--arch", "mia_net", "--channels", "4"),
}
SETTINGS = (
    *("--criterion", "mae_krl", "--lr", "1e-3", "--max-epoch", "60", "--patience", "15"),
    *("--dropout", "0.3", "--feature-dropout", "0.3"),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the demo."""
    parser = command_parser("examples.demo", __doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes that extract features")
    args = parser.parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    print("The demo's corpus is GENERATED: a warped portrait with a synthetic voice.\n")
    data = prepare(out, args.clips, args.jobs)

    runs = [
        Run(name, data, (*flags, *SETTINGS), seed, out / "runs")
        for name, flags in MODELS.items()
        for seed in range(1, args.seeds + 1)
    ]
    for run in runs[:: args.seeds]:
        print("$", shlex.join(train_command(run)))
        print("$", shlex.join(validate_command(run, TEST)), flush=True)
    execute_all(runs)
    by_name = {name: [run for run in runs if run.name == name] for name in MODELS}

    table = "Test clips of the GENERATED corpus:\n\n" + summarize(results(data, by_name)) + "\n"
    (out / "metrics.md").write_text(table)
    curves = {name: some[0].folder / "tensorboard" for name, some in by_name.items()}
    plot_curves(curves, out / "curves.png")
    first = by_name["MIA-Net"][0]
    clip = next(row for row in read_manifest(out / "manifest.tsv").rows if row.split == "test")
    predicted = predict_one(first, clip, out)
    draw(first, clip, out / "clip.png")

    print(f"\n{table}\nA held-out clip, its words recognised: {predicted}\n\nWrote:")
    for path in (
        *(data, out / "metrics.md", out / "curves.png", out / "clip.png", out / "prediction.json"),
        *(first.folder / name for name in ("checkpoint_best.pt", "test.json", "test.tsv")),
    ):
        print(" ", path)


def prepare(out: Path, clips: int, jobs: int) -> Path:
    """Makes clips, extracts their features with the embedded models, and binarizes them."""
    data, manifest, features = out / "DATA", out / "manifest.tsv", out / "features"
    steps = {
        "clips": ("examples.demo_corpus", str(out), "--clips", str(clips)),
        "manifest": (
            *("preprocess.corpora.folder", str(out)),
            *("--table", str(out / "labels.csv"), "--out", str(manifest)),
        ),
        "extract": (
            *("preprocess.extract", str(manifest), "--out", str(features)),
            *("--modality", "text=minilm", "--modality", "audio=whisper"),
            *("--modality", "video=face_expression", "--pool", "mean", "--jobs", str(jobs)),
        ),
        "binarize": (
            *("preprocess.binarize", str(manifest), "--features", str(features)),
            *("--out", str(data), "--corpus", "generated demo"),
        ),
    }
    for name, step in steps.items():
        command = ["python", "-m", *step]
        print("$", shlex.join(command), flush=True)
        if not (data / "meta.json").is_file():
            call(command, out / f"{name}.log")
    return data


def results(data: Path, by_name: dict[str, list[Run]]) -> dict[str, list[dict[str, float]]]:
    """The test metrics of each model's seeds, below those of the training labels' mean."""
    store = Store(data)
    truth = store.split("test", ()).labels
    mean = np.full(len(truth), store.split("train", ()).labels.mean())
    rows = {"mean of the training labels": [regression_metrics(mean, truth)]}
    return rows | {name: [run.results("test") for run in some] for name, some in by_name.items()}


def predict_one(run: Run, clip: Row, out: Path) -> str:
    """Predicts one clip from its file alone, and tells what came out."""
    command = ["python", "-m", "mia_fairseq.predict", str(run.folder / "checkpoint_best.pt")]
    command += [str(clip.path), "--json"]
    print("$", shlex.join(command), flush=True)
    printed = call(command, out / "predict.log", capture=True)
    (out / "prediction.json").write_text(printed)
    (answer,) = json.loads(printed)
    return (
        f"predicted {answer['prediction']:+.2f}, true {float(clip.label):+.2f}, "
        f"heard {answer['text']!r}"
    )


def draw(run: Run, clip: Row, picture: Path) -> None:
    """The clip's keyframes with their faces, and predicted against true scores of the test rows."""
    assert clip.path is not None  # the demo's manifest names a file for each clip
    lines = [line.split("\t") for line in (run.folder / "test.tsv").read_text().splitlines()[1:]]
    truth, predicted = ([float(line[place]) for line in lines] for place in (1, 2))
    faces = FaceExpression().faces(clip.clip())
    draw_face_sheet(clip.path, faces, truth, predicted, picture, title=f"GENERATED clip {clip.id}")


if __name__ == "__main__":
    run_command(main)
