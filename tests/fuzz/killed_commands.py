"""The commands that are killed and raced, what they are given, and what is compared of their ends.

Each writes to ``out``; variant 1 of a command writes there what variant 0 does not.
"""

import hashlib
import importlib
import json
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from harness import ROOT, make_store

from mia_fairseq.plugin import register

EXPERIMENT = """
claim: Two rows.
needs: DATA
status: a test
flags:
  {aux-modalities: audio, max-epoch: 2, batch-size: 4, ffn-dim: 8, save-interval-updates: 20}
runs:
  MIA-Net: {}
  text only: {flags: {arch: unimodal}}
"""
PLUGIN = ("--user-dir", str(ROOT / "mia_fairseq"), "--task", "multimodal_affect")
End = Mapping[str, str]  # name of a file, or of a part of it: sha256


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        module: whose ``main`` it is.
        words: its arguments, of the folder that is given, ``out`` and the variant.
        end: what is compared of ``out``.
        is_data: ``out`` is a DATA folder, which is there whole or not at all.
        shared: two of these on one ``out`` share the work.
    """

    module: str
    words: Callable[[Path, Path, int], list[object]]
    end: Callable[[Path], End]
    is_data: bool = False
    shared: bool = False

    def load(self) -> ModuleType:
        """Its module, imported by the process that is forked."""
        if self.module.startswith("fairseq_cli"):
            register()
        return importlib.import_module(self.module)

    def run(self, given: Path, out: Path, variant: int) -> None:
        """Runs it in this process."""
        words = [str(word) for word in self.words(given, out, variant)]
        module = self.load()
        if self.module.startswith("fairseq_cli"):
            sys.argv = [self.module, *words]  # fairseq's command line reads its words from there
            module.cli_main()
        else:
            module.main(words)


def files(out: Path) -> End:
    """All files of a folder but logs, and of checkpoints what they hold."""
    found: dict[str, str] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        if path.suffix == ".pt":
            found |= {f"{name} {part}": told for part, told in _tensors(path).items()}
        elif path.suffix in (".npy", ".tsv", ".json", ".lengths"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _tensors(path: Path) -> dict[str, str]:
    """Weights and the optimizer's state of a checkpoint; it tells times besides, which differ."""
    import torch

    from mia_fairseq.checkpoints.checkpoint_file import read_state

    state = read_state(path)
    found = {}
    for part in ("model", "last_optimizer_state"):
        digest = hashlib.sha256()
        waiting: list[Any] = [state[part]]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += [*value, *value.values()]
            elif isinstance(value, list | tuple):
                waiting += value
            elif isinstance(value, torch.Tensor):
                digest.update(value.contiguous().numpy().tobytes())
            else:
                digest.update(repr(value).encode())
        found[part] = digest.hexdigest()
    return found


def results(out: Path) -> End:
    """Of experiments: the results and predictions of each run, and the table of all."""
    wanted = ("test.json", "test.tsv", "valid.json", "valid.tsv", "DATA.json")
    return {name: told for name, told in files(out).items() if name.split("/")[-1] in wanted}


def give(folder: Path, rows: int) -> Path:
    """What the commands read: an .npz, a pickle, a manifest with features, DATA, an experiment."""
    from preprocess import extract, import_arrays
    from preprocess.tables.manifest import Row, write_manifest

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    place = np.arange(rows)
    split = np.array(["train", "train", "train", "valid", "test"])[place % 5]
    names = np.array([f"u{row}" for row in place])
    label = np.round(rng.uniform(-3, 3, rows), 1)
    np.savez(folder / "in.npz", text=rng.normal(size=(rows, 8)), audio=rng.normal(size=(rows, 5)),
             label=label, split=split, id=names)  # fmt: skip
    with (folder / "in.pkl").open("wb") as file:
        pickle.dump(_mmsa(rng, rows // 3), file)
    write_manifest(folder / "m.tsv", [
        Row(str(name), str(part), str(score)) for name, part, score in zip(names, split, label,
                                                                           strict=True)
    ])  # fmt: skip
    extract.main([str(word) for word in _extract(folder, folder / "F", 0)])
    for name, modality in (("A", "text"), ("B", "audio")):
        import_arrays.main([str(word) for word in (
            folder / "in.npz", "--modalities", modality, "--label", "label", "--split", "split",
            "--id", "id", "--corpus", name, "--out", folder / name)])  # fmt: skip
    make_store(folder / "DATA", {"text": 6, "audio": 4},
               rows={"train": 200, "valid": 20, "test": 20})  # fmt: skip
    (folder / "toy.yaml").write_text(EXPERIMENT)
    return folder


def _mmsa(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    return {
        split: {
            "raw_text": np.array([f"text {row}" for row in range(rows)], dtype=object),
            "text": rng.normal(size=(rows, 4, 5)).astype(np.float32),
            "audio": rng.normal(size=(rows, 4, 3)),
            "vision": rng.normal(size=(rows, 4, 2)),
            "id": [f"{split}$_${row}" for row in range(rows)],
            "regression_labels": np.linspace(-3, 3, rows, dtype=np.float32),
        }
        for split in ("train", "valid", "test")
    }


def _dtype(variant: int) -> list[object]:
    return ["--dtype", ("float32", "float16")[variant]]


def _extract(given: Path, out: Path, variant: int) -> list[object]:
    file = given / "in.npz"
    source = [f"au=npz --option au.path={file} --option au.array={('text', 'audio')[variant]}"]
    return [given / "m.tsv", "--out", out, "--batch-size", "4", "--modality",
            *source[0].split()]  # fmt: skip


def _train(given: Path, out: Path, variant: int) -> list[object]:
    return [given / "DATA", *PLUGIN, "--arch", "mia_net", "--criterion", "mae_krl",
            "--main-modality", "text", "--aux-modalities", "audio", "--ffn-dim", "8",
            "--batch-size", "4", "--max-epoch", "3", "--lr", "1e-3", "--dropout", "0.2",
            "--save-interval-updates", "20", "--keep-interval-updates", "2", "--seed", variant + 1,
            "--no-progress-bar", "--save-dir", out]  # fmt: skip


COMMANDS: dict[str, Command] = {
    "import_arrays": Command(
        "preprocess.import_arrays",
        lambda given, out, variant: [given / "in.npz", "--modalities", "text", "audio", "--label",
                                     "label", "--split", "split", "--id", "id", "--out", out,
                                     *_dtype(variant)],
        files, is_data=True),
    "import_mmsa": Command(
        "preprocess.import_mmsa",
        lambda given, out, variant: [given / "in.pkl", "--out", out, *_dtype(variant)],
        files, is_data=True),
    "binarize": Command(
        "preprocess.binarize",
        lambda given, out, variant: [given / "m.tsv", "--features", given / "F", "--out", out,
                                     *_dtype(variant)],
        files, is_data=True),
    "unite": Command(
        "preprocess.unite",
        lambda given, out, variant: [given / "A", given / "B", "--out", out, *_dtype(variant)],
        files, is_data=True),
    "extract": Command("preprocess.extract", _extract, files),
    "train": Command("fairseq_cli.train", _train, files),
    "experiments": Command(
        "mia_fairseq.experiments.__main__",
        lambda given, out, variant: [given / "toy.yaml", "--data", given / "DATA", "--seeds", "1",
                                     "--out", out],
        results, shared=True),
}  # fmt: skip


def rows_of(out: Path) -> int:
    """Lines of all tables, as many as rows where nothing is lost."""
    return sum(len(path.read_bytes().splitlines()) for path in out.rglob("*.tsv"))


def whole_parts(out: Path, end: End) -> bool:
    """Whether each array under its own name is that of the end, and other files are readable."""
    try:
        for path in out.rglob("*.json"):
            json.loads(path.read_text())
        there = files(out)
    except ValueError:  # InputError too: half a file
        return False
    return all(end.get(name) == told for name, told in there.items() if name.endswith(".npy"))
