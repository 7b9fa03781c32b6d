"""How fast an encoder's layers learn, and what the backward pass keeps of them."""

from collections.abc import Mapping, Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def scale_learning_rates(
    layers: Sequence[nn.Module], name: str, scale: float, decay: float
) -> None:
    """Marks each trained parameter with the group and the scale of its learning rate.

    The top layer learns at `scale` times ``--lr``, each layer below at `decay` times the one
    above it. The marks are those that fairseq's optimizers and 16-bit copies know.

    Args:
        layers: from the bottom to the top.
        name: the modality, which the groups are named after.
        scale: more than 0.
        decay: more than 0.
    """
    for number, layer in enumerate(layers):
        share = scale * decay ** (len(layers) - 1 - number)
        for parameter in layer.parameters():
            if share != 1 and parameter.requires_grad:
                group = f"{name}.{number}" if decay != 1 else name
                parameter.param_group = group  # type: ignore[attr-defined]
                parameter.optim_overrides = {"lr_scale": share}  # type: ignore[attr-defined]


def lr_scale_of(parameter: Tensor) -> float:
    """By what the learning rate of a parameter is multiplied."""
    marks: Mapping[str, float] = getattr(parameter, "optim_overrides", None) or {}
    return float(marks.get("lr_scale", 1.0))


def recompute_in_backward(blocks: Sequence[nn.Module]) -> None:
    """Lets each block be computed again in the backward pass, instead of keeping what is in it."""
    for block in blocks:
        block.forward = MethodType(_recomputed, block)


def _recomputed(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """A block's own forward, whose inner results are not kept in training."""
    forward = MethodType(type(block).forward, block)
    if block.training and torch.is_grad_enabled():
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)
    return forward(*args, **kwargs)
