"""``--bf16-if-faster``: fairseq's ``--bf16`` where the processor has instructions for it.

What decides is what the processor can do, never a stopwatch, so that the same seed gives the same
numbers on a machine whatever else runs there; where several machines train together, each of them
must. A training that goes on keeps the precision of its checkpoint, wherever it does. How long an
encoder's layer takes a processor in both is measured once, and told in the log.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.errors import InputError

FLAG = "--bf16-if-faster"
GPU = (8, 0)  # the first capability of CUDA with bfloat16
ROWS, STEPS, HEADS = 4, 32, 12  # of the layer that is measured: 128 tokens
TURNS = 3
LAST = "checkpoint_last.pt"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Precision:
    """Whether a training is in bfloat16, and why."""

    half: bool
    reason: str
    gpu: bool = False

    def tell(self, width: int) -> None:
        """Writes a sentence to the log, with what a layer takes a processor in both.

        Args:
            width: of an encoder that learns along; with none, 0, or on a GPU nothing is measured.
        """
        chosen = "bfloat16" if self.half else "float32"
        if self.gpu or not width:
            logger.info("%s: %s, since %s", FLAG, chosen, self.reason)
            return
        narrow, wide = layer_seconds(torch.bfloat16, width), layer_seconds(torch.float32, width)
        logger.info(
            "%s: %s, since %s; a layer %d wide takes this processor %.3g ms in bfloat16 and %.3g "
            "ms in float32",
            *(FLAG, chosen, self.reason, width, 1000 * narrow, 1000 * wide),
        )


def choose(settings: Any) -> Precision:
    """Sets fairseq's own ``bf16`` in all settings of a training.

    Args:
        settings: of fairseq-train, with groups ``common`` and ``checkpoint``.

    Raises:
        InputError: a precision is given besides, or the checkpoint to go on from cannot be read.
    """
    common = settings.common
    for flag in ("bf16", "fp16", "amp"):
        if getattr(common, flag):
            raise InputError(f"{FLAG} chooses the precision, and --{flag} gives it; leave one out")
    kept = checkpoint_of(settings.checkpoint)
    gpu = torch.cuda.is_available() and not common.cpu
    if kept is not None:
        before = read_state(kept)["cfg"].get("common") or {}
        for flag in ("fp16", "amp"):
            if before.get(flag):
                raise InputError(
                    f"{kept} was trained with --{flag}, and {FLAG} goes on in bfloat16 or float32 "
                    f"alone; give --{flag} in its place, or --reset-optimizer"
                )
        precision = Precision(bool(before.get("bf16")), f"{kept} was trained so", gpu)
    elif gpu:
        name = torch.cuda.get_device_name()
        there = torch.cuda.get_device_capability() >= GPU
        reason = f"{name} has {'' if there else 'no '}bfloat16"
        half = on_every_machine(there)
        if there and not half:
            reason += ", but another machine's has not"
        precision = Precision(half, reason, gpu)
    else:
        found = bf16_features()
        reason = f"the processor has {', '.join(found) or 'no instructions for bfloat16'}"
        half = on_every_machine(bool(found))
        if found and not half:
            reason += ", but another machine's has none"
        precision = Precision(half, reason)
    common.bf16 = precision.half
    return precision


def checkpoint_of(settings: Any) -> Path | None:
    """The checkpoint whose optimizer a training goes on with; None where it starts anew.

    Args:
        settings: fairseq's group ``checkpoint``.
    """
    if settings.reset_optimizer:
        return None
    named = str(settings.restore_file)
    path = Path(settings.save_dir) / LAST if named == LAST else Path(named)
    if named == LAST and not path.is_file() and getattr(settings, "continue_once", None):
        path = Path(settings.continue_once)
    return path if path.is_file() else None


def on_every_machine(here: bool) -> bool:
    """Whether something is so for every process of a training, not for this one alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return here
    told: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(told, here)
    return all(told)


def bf16_features() -> list[str]:
    """The names of the processor's instructions for bfloat16; none where it computes by others."""
    told: Any = getattr(torch.cpu, "get_capabilities", None)
    if told is None:  # torch before 2.10
        known: dict[str, Any] = {
            "amx_bf16": torch.cpu._is_amx_tile_supported(),
            "avx512_bf16": torch.cpu._is_avx512_bf16_supported(),
        }
    else:
        known = told()
    return sorted(name for name, there in known.items() if name.endswith("bf16") and there is True)


def layer_seconds(dtype: torch.dtype, width: int) -> float:
    """The least seconds of the products and the attention of a Transformer's layer, forward.

    Draws no random number.

    Args:
        dtype: of weights and tokens.
        width: of the layer; its attention has `HEADS` heads, or one where they do not divide it.
    """
    heads = HEADS if width % HEADS == 0 else 1
    tokens = torch.ones(ROWS, STEPS, width, dtype=dtype)
    inner = torch.ones(4 * width, width, dtype=dtype)
    outer = torch.ones(width, 4 * width, dtype=dtype)
    split = tokens.view(ROWS, STEPS, heads, -1).transpose(1, 2)
    taken = []
    with torch.no_grad():
        for _ in range(TURNS + 1):
            begun = time.perf_counter()
            nn.functional.scaled_dot_product_attention(split, split, split)
            nn.functional.linear(nn.functional.linear(tokens, inner), outer)
            taken.append(time.perf_counter() - begun)
    return min(taken[1:])
