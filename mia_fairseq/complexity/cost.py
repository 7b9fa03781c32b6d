"""What a fusion costs: parameters and operations, part by part of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from omegaconf import OmegaConf

from mia_fairseq.complexity.cost_table import TABLE_10_CLASSES
from mia_fairseq.complexity.operations import Operations, count_operations
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectModel, FusionShape

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
        return replace(self, dims=dims)


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


def configured(arch: str, settings: Sequence[str]) -> tuple[type[AffectModel], Any]:
    """A fusion's class and its configuration; settings that it does not have are left out.

    Args:
        arch: its registered name.
        settings: ``NAME=VALUE``.
    """
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY[arch]())
    given = OmegaConf.from_dotlist(list(settings))
    for name in given:
        if name in cfg:
            cfg[name] = given[name]
    cfg._name = arch
    return MODEL_REGISTRY[arch], cfg


def build(arch: str, setup: SetUp, seed: int = 0) -> AffectModel:
    """A model of untrained weights, in evaluation.

    Args:
        arch: its registered name.
        setup: dims, channels and settings.
        seed: of the weights.

    Raises:
        InputError: the fusion refuses the set-up.
    """
    model, cfg = configured(arch, setup.settings)
    cfg.channels = setup.channels
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
    with torch.no_grad():
        model(features, lengths)  # what is computed once and kept, such as nodes, is not counted
    counted = count_operations(model, lambda: model(features, lengths), parts)
    counted["input"] = counted.pop("rest")
    parameters = {
        part: sum(p.numel() for p in model.get_submodule(name).parameters())
        for part, name in PARTS.items()
    }
    return Cost(parameters, counted)


def grow(arch: str, setup: SetUp, most: int) -> dict[str, Any]:
    """Operations of fusion + FFN + head over 2 to `most` modalities, auxiliaries in turn.

    Args:
        arch: the fusion's registered name.
        setup: its dims say which modalities there are to take.
        most: how many there are at the end, the main one included.

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
