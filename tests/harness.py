"""What tests call: a small corpus on disk, and the command lines."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from warm import warm_commands

from mia_fairseq.data.format.dictionary import format_dictionary
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.experiments.running.forked_commands import COMMANDS, run_forked
from preprocess.networks.face_detector import Face

ROOT = Path(__file__).resolve().parents[1]
SCORES = LabelSpec("regression")
EMOTIONS = LabelSpec("classes", names=("neutral", "joy", "anger"))

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def run_cli(*command: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Runs one of the environment's commands from the repository's root, on one thread.

    fairseq's own and modules start warm, which saves the import of torch and fairseq each time; the
    output of fairseq's comes as both streams. The README's test starts each cold once.
    """
    tool, *arguments = words = [str(word) for word in command]
    if tool in COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            status = run_forked([words], log, ROOT, timeout=300)
            printed = log.read_text()
        if check and status != 0:
            raise AssertionError(f"{command}\n{printed[-6000:]}")
        return subprocess.CompletedProcess(words, status, printed, printed)
    binary = Path(sys.executable).with_name(tool)
    start = [sys.executable] if tool == "python" else [str(binary)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run if arguments[:1] == ["-c"] else warm_commands.run
    result = run(
        [*start, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{command}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}")
    return result


def train(data: Path, save_dir: Path, *flags: str | Path, check: bool = True):
    """fairseq-train with the plugin; two epochs unless the flags say otherwise."""
    chosen = [str(flag) for flag in flags]
    defaults = {"--arch": "mia_net", "--criterion": "mae_krl", "--max-epoch": "2", "--lr": "1e-3"}
    for name, value in defaults.items():
        if name not in chosen:
            chosen += [name, value]
    return run_cli(
        *("fairseq-train", data, "--user-dir", "mia_fairseq", "--task", "multimodal_affect"),
        *("--save-dir", save_dir, "--no-progress-bar", *chosen),
        check=check,
    )


def validate(data: Path, checkpoint: Path, *flags: str | Path, check: bool = True):
    """fairseq-validate with the plugin, on the test split unless the flags say otherwise."""
    chosen = [str(flag) for flag in flags]
    if "--valid-subset" not in chosen:
        chosen += ["--valid-subset", "test"]
    return run_cli(
        *("fairseq-validate", data, "--user-dir", "mia_fairseq", "--task", "multimodal_affect"),
        *("--path", checkpoint, *chosen),
        check=check,
    )


def make_store(
    path: Path,
    dims: Mapping[str, int],
    *,
    label: LabelSpec = SCORES,
    rows: Mapping[str, int] | None = None,
    longest: int = 4,
    missing: float = 0.0,
    seed: int = 0,
    kinds: Mapping[str, str] | None = None,
) -> Path:
    """Writes a corpus whose features carry the label, each modality with its own noise.

    ``kinds`` makes modalities tokens, of a dictionary of dim ids, or frames, of dim pixels a side.
    """
    rng = np.random.default_rng(seed)
    kinds = dict(kinds or {})
    specs = {name: spec_of(kinds.get(name, "features"), dim) for name, dim in dims.items()}
    texts = {name: dictionary_of(dims[name]) for name in kinds if kinds[name] == "tokens"}
    directions = {name: rng.normal(size=dim) for name, dim in dims.items()}
    settings = {"corpus": "test", "label": label, "modalities": specs, "dictionaries": texts}
    with StoreWriter(path, **settings) as store:
        for split, count in (rows or {"train": 60, "valid": 21, "test": 23}).items():
            for row in range(count):
                if label.kind == "classes":
                    value = float(rng.integers(label.outputs))
                else:
                    value = float(np.round(rng.uniform(label.minimum, label.maximum), 1))
                features = {}
                for name, dim in dims.items():
                    length = 0 if rng.random() < missing else int(rng.integers(1, longest + 1))
                    if name in kinds:
                        features[name] = items_of(kinds[name], length, dim, value, rng)
                        continue
                    noise = rng.normal(size=(length, dim))
                    features[name] = noise + value * directions[name]
                group, position = f"{split}{row // 5}", row % 5
                store.add(
                    split, Utterance(f"{split}-{row}", value, "a b", group, position), features
                )
    return path


PAD, START, END, FIRST_WORD = 0, 1, 2, 3  # ids of the test corpora's dictionaries


def touch(path: Path, content: str = "x") -> Path:
    """A file of this text, with the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def spec_of(kind: str, dim: int) -> ModalitySpec:
    """A modality of a test corpus."""
    tokenizer = {"sha256": "0" * 64, "lower": False}
    about = {"pad": PAD, "dictionary": "transformers", "tokenizer": tokenizer}
    return ModalitySpec(dim, "test", kind, about if kind == "tokens" else {})


def dictionary_of(size: int) -> str:
    """The dictionary of ``size`` ids."""
    return format_dictionary(["<pad>", "<s>", "</s>", *(f"w{i}" for i in range(3, size))])


def items_of(
    kind: str, length: int, dim: int, value: float, rng: np.random.Generator
) -> np.ndarray:
    """Tokens (length + 2,) between start and end symbol, or frames (length, dim, dim, 3); higher
    ids and brighter pictures for higher values. Of length 0, nothing at all."""
    share = np.clip((value + 3) / 6 + 0.1 * rng.normal(size=length), 0, 1)
    if kind == "frames":
        noise = rng.integers(0, 56, (length, dim, dim, 3))
        return ((200 * share)[:, None, None, None] + noise).astype(np.uint8)
    words = FIRST_WORD + np.round(share * (dim - 1 - FIRST_WORD)).astype(np.int64)
    return np.array([START, *words, END] if length else [], np.int64)


class WholePicture:
    """A detector that takes the whole picture for a face."""

    licence = "none"

    def detect(self, picture):
        height, width = picture.shape[:2]
        return [Face((0.0, 0.0, width, height), 1.0, np.zeros((5, 2), dtype=np.float32))]
