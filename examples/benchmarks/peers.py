"""MMSA's own LMF, TFN and MulT beside MIA-Net on the same shapes.

    python -m examples.benchmarks.peers [--device cuda] [--quick] [--json FILE]

Needs MMSA, which is not among this project's requirements: ``pip install MMSA`` into an
environment that has this project too. Its models are built with MMSA's own settings for MOSI, but
for the dims of features, and never touch MMSA's data or trainer. A step is forward, mean absolute
error, backward and torch's fused Adam at batch 18, latency one utterance; text is a sequence of
`--steps` vectors, as its models expect, audio and video too for MulT, one vector otherwise.
MIA-Net gets the same arrays and pools them. All take turns, on one thread.
"""

import argparse
import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from examples.benchmarks.device_limits import add_device_option
from examples.benchmarks.steps import PAPER_BATCH, PAPER_DIMS, adam, mia_net, update
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    start,
)
from mia_fairseq.complexity.cost import SetUp
from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require_transformers

PEERS = {"lmf": "LMF", "tfn": "TFN", "mult": "MULT"}


def import_mmsa(name: str) -> ModuleType:
    """A module of MMSA.

    Raises:
        InputError: MMSA is not installed, or not as this benchmark knows it.
    """
    require_transformers("MMSA")  # MMSA imports it, and a misfit torchaudio would stop it
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"the peers' benchmark needs MMSA, which cannot be imported ({error}); run "
            "'pip install MMSA' in this environment and start it again"
        ) from error


def build_peer(name: str, dims: Mapping[str, int]) -> nn.Module:
    """One of MMSA's models with its own settings for MOSI."""
    settings = import_mmsa("MMSA.config").get_config_regression(name, "mosi")
    settings["feature_dims"] = [dims["text"], dims["audio"], dims["video"]]
    settings["train_mode"], settings["use_bert"] = "regression", False
    models = import_mmsa("MMSA.models.singleTask")
    model: nn.Module = getattr(models, PEERS[name])(settings)
    return model


def make_inputs(dims: Mapping[str, int], rows: int, steps: int, seed: int) -> dict[str, Tensor]:
    """Gaussian sequences, (B, T, d)."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(rows, steps, d, generator=generator) for name, d in dims.items()}


def forward(name: str, model: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """Scores (B,)."""
    if name == "mia_net":
        lengths = {
            n: torch.full(x.shape[:1], x.shape[1], device=x.device) for n, x in inputs.items()
        }
        prediction: Tensor = model(inputs, lengths).prediction
        return prediction
    audio, video = inputs["audio"], inputs["video"]
    if name != "mult":
        audio, video = audio.mean(1, keepdim=True), video.mean(1, keepdim=True)
    scores: Tensor = model(inputs["text"], audio, video)["M"]
    return scores.view(-1)


def step(name: str, model: nn.Module, inputs: Mapping[str, Tensor]) -> Callable[[], Any]:
    """A training step."""
    optimizer = adam([p for p in model.parameters() if p.requires_grad])
    model.train()
    return lambda: update(forward(name, model, inputs).abs().mean(), optimizer)


def latency(name: str, model: nn.Module, inputs: Mapping[str, Tensor]) -> Callable[[], Any]:
    """One utterance in evaluation."""
    model.eval()

    def predict() -> None:
        with torch.inference_mode():
            forward(name, model, inputs)

    return predict


def measure(args: argparse.Namespace) -> TimingReport:
    """Steps, then latencies, each in turn."""
    turns, size = (2, 4) if args.quick else (args.turns, PAPER_BATCH)
    models = {name: build_peer(name, PAPER_DIMS) for name in PEERS}
    models["mia_net"] = mia_net(SetUp(PAPER_DIMS, outputs=1), args.seed)
    batch = make_inputs(PAPER_DIMS, size, args.steps, args.seed)
    one = make_inputs(PAPER_DIMS, 1, args.steps, args.seed)
    device = args.device
    for model in models.values():
        model.to(device)
    batch, one = ({n: x.to(device) for n, x in inputs.items()} for inputs in (batch, one))
    steps = {name: step(name, model, batch) for name, model in models.items()}
    taken = alternate(steps, turns, device=device)
    ones = {name: latency(name, model, one) for name, model in models.items()}
    waits = alternate(ones, turns, device=device)
    report = TimingReport(
        "Peers", {**machine(device), **PAPER_DIMS, "batch": size, "steps": args.steps}
    )
    report.tables["MMSA's models and MIA-Net"] = [
        {
            "model": name,
            "M parameters": sum(p.numel() for p in model.parameters()) / 1e6,
            "ms a step": milliseconds(taken[name]),
            "step / mia_net": str(Ratio.of(taken[name], taken["mia_net"])),
            "ms batch 1": milliseconds(waits[name]),
        }
        for name, model in models.items()
    ]
    return report


if __name__ == "__main__":
    parser = add_device_option(arguments(__doc__))
    parser.add_argument("--steps", type=int, default=50, help="vectors of each sequence")
    start(measure, parser)
