"""What --gradient-checkpointing saves in memory, and costs in time.

    python -m examples.benchmarks.gradient_checkpointing [--device cuda] [--quick] [--json FILE]

A text encoder of 12 layers, 768 wide (BERT-base's sizes), randomly initialised, trained inside
`--arch unimodal`: forward, mean absolute error and backward of one batch, float32, one thread.
Peak memory is the weights' plus what the resident set of a fresh process rises by during the
step (activations and gradients), as Linux counts it. An optimizer's state is not in it. Both
kinds draw the same dropout, so their losses are the same.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from omegaconf import OmegaConf
from torch import Tensor

from examples.benchmarks.device_limits import add_device_option, rise_of_memory
from examples.benchmarks.processes import in_fresh_process, one_thread
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    start,
)
from mia_fairseq.encoders.hf_encoder import HFEncoder
from mia_fairseq.models.affect_model import AffectModel, FusionShape
from mia_fairseq.pretrained.libraries import require_transformers

KINDS = {"kept": False, "recomputed": True}  # whether the layers' inner results are
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
BASE |= {"intermediate_size": 3072, "vocab_size": 30522}
SMALL = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
SMALL |= {"intermediate_size": 256, "vocab_size": 1000}


def make_model(sizes: dict[str, int], seed: int, *, recompute: bool) -> AffectModel:
    """The model in training, with random weights."""
    transformers = require_transformers("this benchmark")
    torch.manual_seed(seed)
    encoder = HFEncoder(transformers.BertModel(transformers.BertConfig(**sizes)))
    if recompute:
        encoder.checkpoint_gradients()
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY["unimodal"]())
    cfg._name = "unimodal"
    shape = FusionShape("text", (), {"text": encoder.output_dim}, 1)
    model: AffectModel = MODEL_REGISTRY["unimodal"](shape, 1, cfg, {"text": encoder})
    return model.train()


def prepare(
    sizes: dict[str, int], rows: int, tokens: int, seed: int, recompute: bool, device: str = "cpu"
) -> Callable[[], float]:
    """A step that is ready to be taken and tells its loss; a small one has been taken before."""
    model = make_model(sizes, seed, recompute=recompute).to(device)
    generator = torch.Generator().manual_seed(seed)

    def step_on(rows: int, tokens: int) -> float:
        shape = (rows, tokens)
        features = {"text": torch.randint(1, sizes["vocab_size"], shape, generator=generator)}
        features["text"] = features["text"].to(device)
        lengths = {"text": torch.full((rows,), tokens, device=device)}
        torch.manual_seed(seed)  # of dropout
        prediction: Tensor = model(features, lengths).prediction
        loss = (prediction - torch.linspace(-3, 3, rows, device=device)).abs().mean()
        loss.backward()
        found = float(loss.detach())
        model.zero_grad(set_to_none=True)
        return found

    step_on(1, 2)
    generator.manual_seed(seed)
    return lambda: step_on(rows, tokens)


def loss_of(*setting: Any) -> float:
    """The loss of the first step, in this process."""
    one_thread()
    return prepare(*setting)()


def measure(args: argparse.Namespace) -> TimingReport:
    """Memory in fresh processes, then times in turn in this one."""
    sizes = SMALL if args.quick else BASE
    rows, tokens = (4, 32) if args.quick else (args.batch_size, args.tokens)
    weights = sum(p.numel() * 4 for p in make_model(sizes, args.seed, recompute=False).parameters())
    settings = {
        kind: (sizes, rows, tokens, args.seed, again, args.device) for kind, again in KINDS.items()
    }
    rises = {
        kind: rise_of_memory(args.device, prepare, *setting) for kind, setting in settings.items()
    }
    losses = {kind: in_fresh_process(loss_of, *setting) for kind, setting in settings.items()}
    actions = {kind: prepare(*setting) for kind, setting in settings.items()}
    times = alternate(actions, args.turns, 1, args.device)
    weigh = weights / 2**20
    peaks = {kind: weigh + rise for kind, rise in rises.items()}
    table = [
        {
            "layers' inner results": kind,
            "MiB above the weights": rises[kind],
            "peak MiB": peaks[kind],
            "loss": losses[kind],
            "ms": milliseconds(times[kind]),
        }
        for kind in KINDS
    ]
    setting = {
        **machine(args.device),
        **sizes,
        "rows": rows,
        "tokens": tokens,
        "weights MiB": round(weigh),
    }
    return TimingReport(
        "Gradient checkpointing",
        setting,
        {"a step": table},
        {
            "peak memory saved, as a share": max(0.0, 1 - peaks["recomputed"] / peaks["kept"]),
            "time, recomputed / kept": Ratio.of(times["recomputed"], times["kept"]),
        },
    )


if __name__ == "__main__":
    parser = add_device_option(arguments(__doc__))
    parser.set_defaults(turns=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128, help="of each row")
    start(measure, parser)
