"""What every encoder is: from a modality as the data holds it to a sequence of vectors.

B batch, P its rows that have the modality, T time, d the encoder's output dim.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from mia_fairseq.encoders.learning import recompute_in_backward
from mia_fairseq.encoders.lora import Lora, is_lora
from mia_fairseq.errors import InputError

if TYPE_CHECKING:
    from mia_fairseq.data.format.modality_spec import ModalitySpec


def inside(lengths: Tensor, steps: int) -> Tensor:
    """(B,) lengths → (B, T) booleans, True up to each length."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


class Encoder(nn.Module):
    """A pretrained network, frozen, trained, or trained from some layer up.

    Subclasses set the attributes, implement what raises `NotImplementedError` here, and register
    themselves with ``@register_encoder("name")`` of `mia_fairseq.encoders.registry`.

    Attributes:
        kind: of modality that it reads: ``tokens`` or ``frames``.
        network: what holds all weights.
        output_dim: d.
        reads_past: whether `encode_past` is there.
        max_positions: the longest sequence that it can read; None for no limit.
        trained_from: the lowest layer that is trained; as many as there are layers for none.
        lora: the maps that learn beside frozen layers; None for none.
    """

    kind: ClassVar[str]
    network: Any
    output_dim: int
    max_positions: int | None = None
    reads_past: ClassVar[bool] = False
    trained_from: int = 0
    lora: Lora | None = None

    @classmethod
    def pretrained(cls, where: str) -> tuple["Encoder", str]:
        """The network with its pretrained weights, and the sha256 of their file.

        Args:
            where: what stands behind the colon of ``--encoder``.

        Raises:
            InputError: there are no such weights, or they are another network's.
        """
        raise NotImplementedError(f"{cls.__name__} must implement pretrained")

    @classmethod
    def untrained(cls, architecture: Mapping[str, Any]) -> "Encoder":
        """The network that `architecture` described, with weights that are to be loaded."""
        raise NotImplementedError(f"{cls.__name__} must implement untrained")

    def encode(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Vectors (P, T, d) of rows that all have the modality; what is behind ends is not read.

        Args:
            inputs: (P, T) token ids, or (P, T, side, side, 3) bytes.
            lengths: (P,) from 1 to T.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement encode")

    def encode_past(self, inputs: Tensor, lengths: Tensor, turns: Tensor) -> Tensor:
        """As `encode`, where an item sees those of its own turn and of earlier ones only.

        Args:
            inputs: as `encode` has them.
            lengths: as `encode` has them.
            turns: (P, T) numbers of turns, never falling along a row.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement encode_past")

    def drop_attention(self, share: float) -> None:
        """Sets which share of attention's weights is dropped in training."""
        raise InputError(
            f"--attention-dropout is {share:g}, and {type(self).__name__} cannot change it; leave "
            "it out"
        )

    def layers(self) -> list[nn.Module]:
        """From the bottom (embeddings) to the top; each parameter is in exactly one of them."""
        raise NotImplementedError(f"{type(self).__name__} must implement layers")

    def architecture(self) -> dict[str, Any]:
        """Plain containers from which the network is built again without its pretrained weights."""
        raise NotImplementedError(f"{type(self).__name__} must implement architecture")

    def check_fits(self, modality: str, spec: "ModalitySpec") -> None:
        """Raises `InputError` unless the network can read the modality's data."""
        if spec.kind != self.kind:
            raise InputError(
                f"--encoder gives {modality} an encoder of {self.kind}, DATA holds {spec.kind} "
                f"({spec.extractor}); extract {self.kind} or choose another encoder"
            )

    def forward(self, inputs: Tensor, lengths: Tensor, turns: Tensor | None = None) -> Tensor:
        """(B, T, ...) → (B, T, d), zeros behind each length (B,).

        With `turns` (B, T), an item sees nothing of later turns.

        A row of length 0 never goes through the network, but in a traced graph.

        Raises:
            InputError: the sequences are longer than the network has positions for.
        """
        if self.max_positions is not None and inputs.shape[1] > self.max_positions:
            raise InputError(
                f"a sequence of {inputs.shape[1]} {self.kind} is longer than the encoder's "
                f"{self.max_positions} positions; cut it, as opening a split of DATA does"
            )
        if torch.jit.is_tracing():  # a graph has no branches: rows without it are read in vain
            states = self._read(inputs, lengths.clamp(min=1), turns)
            return states * inside(lengths, states.shape[1])[..., None].to(states.dtype)
        present = torch.nonzero(lengths > 0).squeeze(1)  # (P,)
        everywhere = len(present) == len(lengths)
        if not everywhere:
            inputs, rows, lengths = inputs[present], len(lengths), lengths[present]
            turns = None if turns is None else turns[present]
        if not len(present):
            steps, dtype = inputs.shape[1], next(self.parameters()).dtype
            return torch.zeros(rows, steps, self.output_dim, dtype=dtype, device=inputs.device)
        states = self._read(inputs, lengths, turns)
        states = states * inside(lengths, states.shape[1])[..., None].to(states.dtype)
        if everywhere:
            return states
        return states.new_zeros(rows, *states.shape[1:]).index_copy(0, present, states)

    def _read(self, inputs: Tensor, lengths: Tensor, turns: Tensor | None) -> Tensor:
        """(P, T, ...) → (P, T, d) of rows that have the modality."""
        if turns is None:
            return self.encode(inputs, lengths)
        return self.encode_past(inputs, lengths, turns)

    # Which layers learn, and how --------------------------------------------------------------

    def train_from(self, layer: int) -> None:
        """Freezes the layers below one; they neither learn nor drop units."""
        layers = self.layers()
        self.trained_from = layer
        for frozen in layers[:layer]:
            frozen.requires_grad_(False)
        self.train(self.training)

    def freeze(self) -> None:
        """Freezes the whole network."""
        self.train_from(len(self.layers()))

    @property
    def is_frozen(self) -> bool:
        """Whether no layer is trained."""
        return self.trained_from >= len(self.layers())

    def train(self, mode: bool = True) -> "Encoder":
        super().train(mode and not self.is_frozen)
        for frozen in self.layers()[: self.trained_from]:
            frozen.train(False)
        return self

    def blocks(self) -> list[nn.Module]:
        """The modules that `checkpoint_gradients` recomputes: those that are called as they are."""
        return self.layers()

    def checkpoint_gradients(self) -> None:
        """Recomputes each trained block in the backward pass instead of keeping what is in it."""
        recompute_in_backward(self.blocks())

    # LoRA -------------------------------------------------------------------------------------

    def lora_of(self, rank: int, alpha: float, layers: range, kinds: Sequence[str]) -> Lora:
        """The maps that ``--lora`` asks for.

        Args:
            rank: of each map.
            alpha: its weight times the rank.
            layers: those of `layers` whose linear layers get one.
            kinds: the last part of their names; none for all.

        Raises:
            InputError: the network cannot have them.
        """
        raise InputError("--lora is for encoders of hf; leave it out for this one")

    def add_lora(self, lora: Lora) -> None:
        """Trains maps beside some linear layers, and nothing else."""
        holders = [
            number
            for number, layer in enumerate(self.layers())
            if {id(module) for module in layer.modules()}
            & {id(self.network.get_submodule(name)) for name in lora.modules}
        ]
        self.train_from(min(holders))  # what lies below drops no units either
        lora.add_to(self.network)
        self.lora = lora

    def merge_lora(self) -> None:
        """Adds the maps to the network's weights, for inference; nothing without maps."""
        if self.lora is not None:
            self.lora.merge_into(self.network)
            self.lora = None

    def is_pretrained(self, name: str) -> bool:
        """Whether training leaves a weight of this name as the pretrained file has it.

        Asked where the encoder is frozen or has maps beside its layers.
        """
        return self.lora is None or not is_lora(name)
