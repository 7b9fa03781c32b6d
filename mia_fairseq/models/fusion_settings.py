"""Settings that several fusions share, and what they take from a fusion's inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from mia_fairseq.errors import InputError
from mia_fairseq.fusion import FusionShape, ModalityInput
from mia_fairseq.models.affect_settings import AffectModelConfig
from mia_fairseq.modules.projection import present


@dataclass
class WidthConfig(AffectModelConfig):
    """For fusions that bring all modalities to one width."""

    fusion_dim: int = field(
        default=128, metadata={"help": "p, the width to which the fusion brings all modalities"}
    )


@dataclass
class AttentionConfig(WidthConfig):
    """For fusions by multi-head attention."""

    fusion_heads: int = field(default=4, metadata={"help": "heads of the fusion's attention"})


@dataclass
class TransformerConfig(AttentionConfig):
    """For fusions by Transformers."""

    fusion_layers: int = field(default=2, metadata={"help": "layers of each Transformer"})


def transformer_settings(cfg: Any) -> dict[str, Any]:
    """What a fusion's Transformers are built with, of a `TransformerConfig`."""
    return {"layers": cfg.fusion_layers, "heads": cfg.fusion_heads, "dropout": cfg.dropout}


def at_least(least: float, cfg: Any, *names: str) -> tuple[Any, ...]:
    """The settings of these names; `InputError` for the first one below `least`."""
    for name in names:
        if getattr(cfg, name) < least:
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} is {getattr(cfg, name):g}, expected {least:g} or more")
    return tuple(getattr(cfg, name) for name in names)


def used(shape: FusionShape) -> dict[str, int]:
    """The dims of the modalities in use, the main one first."""
    return {name: shape.dims[name] for name in (shape.main, *shape.auxiliaries)}


def rows_there(
    inputs: Mapping[str, ModalityInput],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Of each modality the adapted rows (B, c, d), and (B,) whether it is there."""
    rows = {name: one.pooled for name, one in inputs.items()}
    return rows, {name: present(one.mask) for name, one in inputs.items()}


def check_width(cfg: Any) -> int:
    """p of a `WidthConfig`; `InputError` unless positive and a multiple of the heads."""
    width, heads = cfg.fusion_dim, getattr(cfg, "fusion_heads", 1)
    if width < 1 or heads < 1 or width % heads:
        raise InputError(
            f"--fusion-dim is {width} and --fusion-heads {heads}, expected a width of 1 or more "
            "that the heads divide; change one of them"
        )
    if getattr(cfg, "fusion_layers", 1) < 1:
        raise InputError(f"--fusion-layers is {cfg.fusion_layers}, expected 1 or more")
    return int(width)
