"""Fusions for one utterance, in torch and as ONNX by onnxruntime, on the same shapes.

    python -m examples.benchmarks.exported [--arch mia_net lmf ...] [--quick] [--json FILE]

Text 1024, audio 768, video 256, one vector each, each fusion with its default settings and
adapters, float32, one thread, in evaluation. `floor` is what no fusion can save: adapters' and
feed-forward weights read once from memory, as the fusion that takes the main modality alone
(`unimodal`) reads its own. All take turns.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from examples.benchmarks.steps import PAPER_DIMS, make_batch
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    start,
)
from examples.benchmarks.training_step import SMALL
from mia_fairseq.complexity.cost import SetUp, architectures, build
from mia_fairseq.data.dataset import arrays_of
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.export.answering import AnsweringModel
from mia_fairseq.export.onnx_model import OnnxModel
from mia_fairseq.export.onnx_writing import trace
from mia_fairseq.files import sha256_of

TORCH, ONNX = "in torch", "as ONNX"


def answers(arch: str, setup: SetUp, seed: int, folder: Path) -> dict[str, Callable[[], Any]]:
    """One utterance through a fusion, both ways."""
    main, *others = setup.dims
    built = build(arch, setup, seed)
    auxiliaries = tuple(others) if built.needs_auxiliaries else ()
    specs = {name: ModalitySpec(dim) for name, dim in setup.dims.items()}
    schema = Schema("random", LabelSpec("regression"), main, auxiliaries, specs)
    model = AnsweringModel(built, schema)
    one = make_batch({name: setup.dims[name] for name in schema.inputs}, 1, seed)
    tensors = {"features": one.features, "lengths": one.lengths}
    trace(model, folder / f"{arch}.onnx", arch)
    graph = OnnxModel(folder / f"{arch}.onnx", sha256_of(folder / f"{arch}.onnx"))
    arrays = arrays_of(tensors)

    def by_torch() -> None:
        with torch.inference_mode():
            model(tensors)

    return {TORCH: by_torch, ONNX: lambda: graph.answers(arrays)}


def measure(args: argparse.Namespace) -> TimingReport:
    """All in turn."""
    dims, turns = (SMALL, 2) if args.quick else (PAPER_DIMS, 5 * args.turns)
    setup = SetUp(dims, outputs=1)
    with tempfile.TemporaryDirectory() as folder:
        actions = {
            (arch, way): action
            for arch in args.arch
            for way, action in answers(arch, setup, args.seed, Path(folder)).items()
        }
        named = {f"{arch} {way}": action for (arch, way), action in actions.items()}
        taken = alternate(named, turns)
    report = TimingReport("One utterance, exported", {**machine(), **dims, "batch": 1})
    report.tables["ms an utterance"] = [
        {"fusion": arch, **{way: milliseconds(taken[f"{arch} {way}"]) for way in (TORCH, ONNX)}}
        for arch in args.arch
    ]
    first, *others = args.arch
    own = taken[f"{first} {ONNX}"]
    report.ratios[f"{first}: {ONNX} / {TORCH}"] = Ratio.of(own, taken[f"{first} {TORCH}"])
    for arch in others:
        for way in (TORCH, ONNX):
            name = f"{first} {ONNX} / {arch} {way}"
            report.ratios[name] = Ratio.of(own, taken[f"{arch} {way}"])
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument(
        "--arch", nargs="+", choices=architectures(), default=["mia_net", "lmf", "unimodal"]
    )
    start(measure, parser)
