"""Parameters and multiply-accumulates per sample of every fusion, beside the paper's Table 10.

    python -m mia_fairseq.complexity
    python -m mia_fairseq.complexity --modalities text=1024 audio=768 video=256 --json cost.json
    python -m mia_fairseq.complexity --arch mia_net --growth 16
    python -m mia_fairseq.complexity --set fusion_dim=1024 fusion_heads=16 fusion_layers=4

Everything is counted, by the rules of `mia_fairseq.operations`, of one utterance in evaluation,
with random features; a penalty that a fusion computes is part of the fusion. The model is split
into adapters, fusion, FFN (the dual residual of Eq. 11-12), head, and input (normalization and
pooling). Each fusion is measured a second time with one more modality, by default a copy of the
largest auxiliary, which is what costs MIA-Net most.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from omegaconf import OmegaConf

from mia_fairseq.command import run
from mia_fairseq.complexity_report import markdown
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectModel, FusionShape
from mia_fairseq.operations import Operations, count_operations

TABLE_10_DIMS = ("text=1024", "audio=768", "video=256")
TABLE_10_CLASSES = 7  # of MELD, on which Sec. 5.6 compares
PARTS = {"adapters": "adapters", "fusion": "fusion", "ffn": "dual_residual", "head": "head"}


@dataclass(frozen=True)
class SetUp:
    """What is measured.

    Attributes:
        dims: d of each modality, the main one first.
        channels: c.
        steps: vectors in the sequence of each modality.
        outputs: k.
        settings: of the models, beyond `channels`.
    """

    dims: Mapping[str, int]
    channels: int = 1
    steps: int = 1
    outputs: int = TABLE_10_CLASSES
    settings: tuple[str, ...] = ()

    def with_dims(self, dims: Mapping[str, int]) -> "SetUp":
        return SetUp(dims, self.channels, self.steps, self.outputs, self.settings)


@dataclass(frozen=True)
class Cost:
    """Of one model: parameters and operations of each part."""

    parameters: Mapping[str, int]
    operations: Mapping[str, Operations]

    @property
    def core_parameters(self) -> int:
        """Of fusion, FFN and head."""
        return sum(self.parameters[part] for part in ("fusion", "ffn", "head"))

    @property
    def core_operations(self) -> Operations:
        """Of fusion, FFN and head."""
        total = Operations()
        for part in ("fusion", "ffn", "head"):
            total = total.plus(self.operations[part])
        return total

    def to_json(self) -> dict[str, Any]:
        return {
            "parameters": {**self.parameters, "fusion_ffn_head": self.core_parameters},
            "operations": {
                part: {**operations._asdict(), "total": operations.total}
                for part, operations in {
                    **self.operations,
                    "fusion_ffn_head": self.core_operations,
                }.items()
            },
        }


def architectures() -> list[str]:
    """The names of all registered fusions."""
    return sorted(name for name, model in MODEL_REGISTRY.items() if issubclass(model, AffectModel))


def build(arch: str, setup: SetUp, seed: int = 0) -> AffectModel:
    """A model of untrained weights, in evaluation.

    Raises:
        InputError: the fusion refuses the set-up.
    """
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY[arch]())
    given = OmegaConf.from_dotlist(list(setup.settings))
    for name in given:
        if name in cfg:
            cfg[name] = given[name]
    cfg._name, cfg.channels = arch, setup.channels
    model = MODEL_REGISTRY[arch]
    main, *auxiliaries = setup.dims
    shape = FusionShape(
        main, tuple(auxiliaries if model.needs_auxiliaries else ()), setup.dims, setup.channels
    )
    torch.manual_seed(seed)
    built: AffectModel = model(shape, setup.outputs, cfg)
    return built.eval()


def measure(arch: str, setup: SetUp) -> Cost:
    """Parameters of a model, and the operations of one utterance."""
    model = build(arch, setup)
    features = {name: torch.randn(1, setup.steps, dim) for name, dim in setup.dims.items()}
    lengths = {name: torch.tensor([setup.steps]) for name in setup.dims}
    parts = {part: [name] for part, name in PARTS.items()}
    parts["adapters"] = [f"adapters.{name}" for name in model.adapters]  # a dictionary of modules
    counted = count_operations(model, lambda: model(features, lengths), parts)
    counted["input"] = counted.pop("rest")
    parameters = {
        part: sum(p.numel() for p in model.get_submodule(name).parameters())
        for part, name in PARTS.items()
    }
    return Cost(parameters, counted)


def read_dims(words: Sequence[str], option: str) -> dict[str, int]:
    """{"text": 1024, …} from ``text=1024`` …"""
    dims: dict[str, int] = {}
    for word in words:
        name, _, number = word.partition("=")
        if not name or not number.isdigit() or int(number) < 1 or name in dims:
            raise InputError(
                f"{option} has {word!r}, expected each modality once, as name=dim with a dim of "
                "1 or more, e.g. audio=768"
            )
        dims[name] = int(number)
    return dims


def one_more(dims: Mapping[str, int], extra: Sequence[str]) -> dict[str, int]:
    """The modalities and one more: the given one, or a copy of the largest auxiliary."""
    if not extra:
        _, *auxiliaries = dims
        largest = max(auxiliaries, key=dims.__getitem__)
        return {**dims, f"{largest}_copy": dims[largest]}
    added = read_dims(extra, "--extra")
    for name in added:
        if name in dims:
            raise InputError(f"--extra is {name!r}, which --modalities has; give another name")
    return {**dims, **added}


def grow(arch: str, setup: SetUp, most: int) -> dict[str, Any]:
    """Operations of fusion + FFN + head over 2 to `most` modalities, auxiliaries in turn.

    Returns:
        ``modalities``, ``operations``, ``parameters`` as lists; ``r_squared`` of a straight line
        through the operations, where there are three points or more; and ``refused``, the
        sentence with which the fusion refuses more modalities.
    """
    main, *auxiliaries = setup.dims
    costs, refused = [], None
    for count in range(2, most + 1):
        chosen = [auxiliaries[i % len(auxiliaries)] for i in range(count - 1)]
        dims = {f"{name}_{i}": setup.dims[name] for i, name in enumerate(chosen)}
        try:
            costs.append(measure(arch, setup.with_dims({main: setup.dims[main], **dims})))
        except InputError as refusal:
            refused = str(refusal)
            break
    counts = list(range(2, 2 + len(costs)))
    operations = [cost.core_operations.total for cost in costs]
    straight = len(counts) > 2 and len(set(operations)) > 1
    return {
        "modalities": counts,
        "operations": operations,
        "parameters": [cost.core_parameters for cost in costs],
        "r_squared": float(np.corrcoef(counts, operations)[0, 1] ** 2) if straight else None,
        "refused": refused,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    args = _arguments(argv)
    dims = read_dims(args.modalities, "--modalities")
    if len(dims) < 2:
        raise InputError(
            f"--modalities has {len(dims)}, expected two or more, the main one first, e.g. "
            "text=1024 audio=768"
        )
    if args.growth and args.growth < 2:
        raise InputError(f"--growth is {args.growth}, expected 2 modalities or more")
    if min(args.channels, args.steps, args.outputs) < 1:
        raise InputError("--channels, --steps and --outputs must be 1 or more; mend them")
    archs = args.arch or architectures()
    _check(archs, args.set)
    setup = SetUp(dims, args.channels, args.steps, args.outputs, tuple(args.set))
    larger = setup.with_dims(one_more(dims, args.extra))
    report: dict[str, Any] = {
        "modalities": dict(dims),
        "with_one_more": dict(larger.dims),
        "channels": args.channels,
        "steps": args.steps,
        "outputs": args.outputs,
        "settings": list(args.set),
        "fusions": {arch: _both(arch, setup, larger) for arch in archs},
    }
    if args.growth:
        report["growth"] = {arch: grow(arch, setup, args.growth) for arch in archs}
    sys.stdout.write(markdown(report))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        partial = args.json.with_name(args.json.name + ".partial")
        partial.write_text(json.dumps(report, indent=2) + "\n")
        partial.replace(args.json)


def _both(arch: str, setup: SetUp, larger: SetUp) -> dict[str, Any]:
    """A fusion's costs in both set-ups, or the sentence with which it refuses one."""
    found: dict[str, Any] = {}
    for name, which in (("given", setup), ("with_one_more", larger)):
        try:
            found[name] = measure(arch, which).to_json()
        except InputError as refusal:
            found[name] = {"refused": str(refusal)}
    return found


def _check(archs: Sequence[str], settings: Sequence[str]) -> None:
    known = architectures()
    for arch in archs:
        if arch not in known:
            raise InputError(f"--arch is {arch!r}, expected one of {', '.join(known)}")
    for setting in settings:
        name, equals, _ = setting.partition("=")
        if not equals or not any(hasattr(MODEL_DATACLASS_REGISTRY[a], name) for a in archs):
            raise InputError(
                f"--set has {setting!r}, expected name=value with a setting that one of "
                f"{', '.join(archs)} has, e.g. ffn_dim=400"
            )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--modalities", nargs="+", default=list(TABLE_10_DIMS), help="name=dim, main one first")
    add("--extra", nargs=1, default=[], metavar="NAME=DIM", help="the one more modality")
    add("--channels", type=int, default=1, help="c")
    add("--steps", type=int, default=1, help="vectors in each modality's sequence")
    add("--outputs", type=int, default=TABLE_10_CLASSES, help="k; default: MELD's 7 classes")
    add("--arch", nargs="+", help="only these fusions")
    add("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the models")
    add("--growth", type=int, default=0, help="also with 2 up to this many modalities")
    add("--json", type=Path, help="write all figures here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
