"""LoRA: small trained maps beside the frozen linear layers of a pretrained network.

W x becomes W x + (alpha / r) B A x, with A (r, d_in) and B (d_out, r) alone trained; B starts at
zero, so training starts from the network as published. Hu et al., "LoRA: Low-Rank Adaptation of
Large Language Models" (2021); the maps are those of the `peft` library.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require, require_transformers

MARK = "lora_"  # in the names of the maps' weights, and in no others


@dataclass(frozen=True)
class Lora:
    """Which linear layers have maps beside them.

    Attributes:
        rank: r.
        alpha: the maps' weight is alpha / r.
        modules: names of the layers within the network.
    """

    rank: int
    alpha: float
    modules: tuple[str, ...]

    @classmethod
    def of_blocks(
        cls,
        network: nn.Module,
        blocks: Sequence[nn.Module],
        rank: int,
        alpha: float,
        kinds: Sequence[str] = (),
    ) -> "Lora":
        """Maps beside the linear layers of some blocks of a network.

        Args:
            network: pretrained.
            blocks: of it.
            rank: r.
            alpha: as above.
            kinds: the last part of the layers' names, such as query; none for all.

        Raises:
            InputError: there is no such layer.
        """
        inside = {id(module) for block in blocks for module in block.modules()}
        linear = [
            name
            for name, module in network.named_modules()
            if isinstance(module, nn.Linear) and id(module) in inside
        ]
        chosen = [name for name in linear if not kinds or name.split(".")[-1] in kinds]
        lacking = [kind for kind in kinds if not any(n.split(".")[-1] == kind for n in linear)]
        if lacking or not chosen:
            raise InputError(
                f"--lora-modules names {lacking[0] if lacking else 'nothing'!r}, expected linear "
                f"layers of {type(network).__name__}: "
                f"{', '.join(sorted({name.split('.')[-1] for name in linear})) or 'it has none'}"
            )
        return cls(rank, alpha, tuple(chosen))

    def to_state(self) -> dict[str, Any]:
        """Plain containers, for a checkpoint."""
        return {"rank": self.rank, "alpha": self.alpha, "modules": list(self.modules)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Lora":
        """What a checkpoint tells."""
        return cls(int(state["rank"]), float(state["alpha"]), tuple(state["modules"]))

    def add_to(self, network: nn.Module) -> None:
        """Puts the maps into a network; they alone are trained from then on."""
        require_transformers("--lora")
        peft = require("peft", "peft", "--lora")
        settings = peft.LoraConfig(
            r=self.rank, lora_alpha=self.alpha, target_modules=list(self.modules), lora_dropout=0.0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peft.inject_adapter_in_model(settings, network)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(is_lora(name))

    def merge_into(self, network: nn.Module) -> None:
        """Adds the maps to the layers' weights: the network is a plain one again, and as fast."""
        for name in self.modules:
            layer: Any = network.get_submodule(name)
            layer.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, layer.get_base_layer())


def is_lora(name: str) -> bool:
    """Whether a weight is that of a map, by its name."""
    return any(part.startswith(MARK) for part in name.split("."))
