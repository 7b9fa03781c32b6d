"""Training the paper's encoders at full size: memory and time of a step, random weights.

    python -m examples.benchmarks.dry_run [--device cuda] [--quick] [--json FILE]

Checkpoints of the released shapes (RoBERTa-large, the speech RoBERTa, FAb-Net) are written with
random weights and read back as the releases are. DATA of GENERATED rows has utterances of each
corpus's mean length, and longer ones than the encoders can read, which are cut to their positions.
`fairseq-train` runs with the flags of the recipe ``paper_encoders.yaml``, each training in a
process of its own: one update that does not count, then ``--turns``. On a GPU it is bfloat16, as
the recipe has it, and a batch of 18; on a CPU float32, and a batch that leaves other work its room.

The peak is of the whole process on a CPU (libraries and reading included), of torch's allocations
on a GPU. The estimate beside it is that of ``examples/recipes/paper_encoders/estimate.py``, of the
same rows and precision, without libraries, fusion and the inside of FAb-Net. A CPU's seconds are
those of one thread; a GPU's are by the clock.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from examples.benchmarks.framework_tax import fairseq_train
from examples.benchmarks.processes import in_fresh_process, resident
from examples.benchmarks.timing import TimingReport, arguments, machine, seconds, start
from examples.recipes.paper_encoders.estimate import memory, parts
from examples.recipes.paper_encoders.random_release import write_encoders
from examples.recipes.paper_encoders.released_shapes import (
    CORPORA,
    ROBERTAS,
    RobertaShape,
    steps_of,
)
from mia_fairseq.data.format.dictionary import format_dictionary
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.experiments.specification.run_flags import train_flags
from mia_fairseq.pretrained.fabnet_network import SIDE

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "examples" / "recipes" / "paper_encoders" / "paper_encoders.yaml"
SMALL = {name: RobertaShape(2, 32, 4, 64, 100) for name in ROBERTAS}
USED = {"text only": ("text",), "TAV-MIA": ("text", "audio", "video")}  # rows of the recipe
SPECIAL = 4  # symbols in front of a dictionary of fairseq
BEYOND = 100  # items more than an encoder reads
GPU_BATCH = 18  # Sec. 4.3


@dataclass(frozen=True)
class Case:
    """One training: of what utterances, which row of the recipe, how many rows a batch."""

    utterances: str
    steps: Mapping[str, int]  # items of each modality before they are cut
    row: str = "TAV-MIA"
    batch: int = 1


def cases(batches: Sequence[int]) -> list[Case]:
    """All three modalities on each corpus's mean, text alone, more rows, and the longest."""
    means = {name: steps_of(corpus) for name, corpus in CORPORA.items()}
    first, *more = batches
    found = [Case(f"{name}, mean", steps, batch=first) for name, steps in means.items()]
    name, steps = next(iter(means.items()))
    found.insert(0, Case(f"{name}, mean", steps, "text only", first))
    found += [Case(f"{name}, mean", steps, batch=batch) for batch in more]
    return [*found, beyond(ROBERTAS, max(steps["video"] for steps in means.values()), first)]


def beyond(shapes: Mapping[str, RobertaShape], faces: int, batch: int = 1) -> Case:
    """More tokens and codes than the encoders can read."""
    steps = {name: shape.positions + BEYOND for name, shape in shapes.items()}
    return Case("longer than encoders read", {**steps, "video": faces}, batch=batch)


def write_rows(path: Path, case: Case, shapes: Mapping[str, RobertaShape], updates: int) -> None:
    """DATA of random tokens, codes and faces, rows for so many updates and one more."""
    rng = np.random.default_rng(1)
    about = {"pad": 1, "dictionary": "fairseq", "tokenizer": {"sha256": "0" * 64}}
    specs = {
        n: ModalitySpec(shape.vocabulary - 1, n, "tokens", about) for n, shape in shapes.items()
    }
    words = {
        n: format_dictionary([f"w{i}" for i in range(s.dim - SPECIAL)]) for n, s in specs.items()
    }
    specs["video"] = ModalitySpec(SIDE, "faces", "frames")
    settings: dict[str, Any] = {"corpus": "generated", "label": LabelSpec("regression")}
    with StoreWriter(path, modalities=specs, dictionaries=words, **settings) as store:
        for row in range(case.batch * (updates + 1)):
            features: dict[str, Any] = {
                name: rng.integers(SPECIAL, specs[name].dim, case.steps[name]) for name in words
            }
            faces = (case.steps["video"], SIDE, SIDE, 3)
            features["video"] = rng.integers(0, 256, faces, np.uint8)
            score = float(np.round(rng.uniform(-3, 3), 1))
            store.add("train", Utterance(f"row{row}", score, "generated"), features)


def train(data: str, case: Case, device: str, turns: int) -> tuple[float, float]:
    """(peak GiB, median seconds of an update) of a training by the recipe; in a fresh process."""
    gpu = device != "cpu"
    (row,) = (row for row in load(str(RECIPE), inputs={"data": data}).rows if row.name == case.row)
    chosen = train_flags(row, "regression", {"bf16": gpu})
    flags = [data, "--user-dir", "mia_fairseq", "--task", "multimodal_affect", *chosen]
    flags += ["--batch-size", str(case.batch), "--max-update", str(turns + 1), "--no-save"]
    flags += ["--disable-validation", "--no-progress-bar", *([] if gpu else ["--cpu"])]
    flags += ["--distributed-world-size", "1"]
    ends: list[float] = []
    fairseq_train(flags, lambda end_of_epoch: ends.append(seconds(device)))
    peak = torch.cuda.max_memory_allocated() / 2**20 if gpu else resident("VmHWM")
    return peak / 1024, float(np.median(np.diff(ends)))


def read_of(case: Case, shapes: Mapping[str, RobertaShape]) -> dict[str, int]:
    """What the encoders of a training read of an utterance, cut to their positions."""
    read = {name: case.steps[name] for name in USED[case.row]}
    return read | {n: min(read[n], shape.positions) for n, shape in shapes.items() if n in read}


def estimated(
    shapes: Mapping[str, RobertaShape], chosen: Sequence[Case], half: bool
) -> list[float]:
    """GiB of each training, as estimate.py works them out; in a fresh process."""
    found, gib = parts(shapes), []
    for case in chosen:
        read = read_of(case, shapes)
        used = {name: found[name] for name in read}
        gib.append(memory(used, read, case.batch, half=half))
    return gib


def measure(args: argparse.Namespace) -> TimingReport:
    """Each case in a fresh process; the checkpoints are written once."""
    gpu, turns = args.device != "cpu", 1 if args.quick else args.turns
    shapes = SMALL if args.quick else ROBERTAS
    if args.quick:
        chosen = [Case("few", {"text": 20, "audio": 20, "video": 2}), beyond(shapes, faces=2)]
    else:
        chosen = cases(args.batch_size or ([GPU_BATCH] if gpu else [1, 2]))
    rows = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        encoders = Path(folder) / "DATA_work" / "encoders"
        in_fresh_process(write_encoders, encoders, dict(shapes), args.seed)
        estimates = in_fresh_process(estimated, shapes, chosen, gpu)
        for case, estimate in zip(chosen, estimates, strict=True):
            data = Path(folder) / "DATA"
            write_rows(data, case, shapes, turns + 1)
            peak, step = in_fresh_process(train, str(data), case, args.device, turns)
            read = read_of(case, shapes)
            rows.append(
                {
                    "utterances": case.utterances,
                    "row": case.row,
                    "batch": case.batch,
                    "tokens, codes, faces": ", ".join(map(str, read.values())),
                    "peak GiB": round(peak, 2),
                    "estimate GiB": round(estimate, 2),
                    "s an update": step,
                }
            )
    title = "The paper's encoders at full size, a dry run"
    setting = {**machine(), "device": args.device, "precision": "bfloat16" if gpu else "float32"}
    cut = ", ".join(f"{name} {shape.positions}" for name, shape in shapes.items())
    notes = [
        f"positions of the encoders, special symbols included: {cut}; longer rows lose their end, "
        "which the log tells; faces have no limit",
        "the peak is the whole process's on a CPU, libraries included, and torch's on a GPU; the "
        "estimate is of weights, gradients, Adam and Transformers' layers, without libraries, "
        "fusion and the inside of FAb-Net",
    ]
    return TimingReport(title, setting, {"trainings": rows}, notes=notes)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.set_defaults(turns=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch-size", type=int, nargs="+", help="default: 1 2, on a GPU 18")
    parser.add_argument("--folder", help="for 2 GB of checkpoints; default: the temporary one")
    start(measure, parser)
