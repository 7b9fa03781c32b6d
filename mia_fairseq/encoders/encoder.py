"""What every encoder is: from a modality as the data holds it to a sequence of vectors.

B batch, P its rows that have the modality, T time, d the encoder's output dim.
"""

from collections.abc import Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mia_fairseq.errors import InputError

if TYPE_CHECKING:
    from mia_fairseq.data.format.modality_spec import ModalitySpec

HASH = "sha256"  # in a checkpoint, in place of weights that are left out


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
        max_positions: the longest sequence that it can read; None for no limit.
        trained_from: the lowest layer that is trained; as many as there are layers for none.
    """

    kind: ClassVar[str]
    network: Any
    output_dim: int
    max_positions: int | None = None
    trained_from: int = 0

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

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, ...) → (B, T, d), zeros behind each length (B,).

        A row of length 0 never goes through the network.

        Raises:
            InputError: the sequences are longer than the network has positions for.
        """
        if self.max_positions is not None and inputs.shape[1] > self.max_positions:
            raise InputError(
                f"a sequence of {inputs.shape[1]} {self.kind} is longer than the encoder's "
                f"{self.max_positions} positions; cut it, as opening a split of DATA does"
            )
        present = torch.nonzero(lengths > 0).squeeze(1)  # (P,)
        everywhere = len(present) == len(lengths)
        if not everywhere:
            inputs, rows, lengths = inputs[present], len(lengths), lengths[present]
        if not len(present):
            steps, dtype = inputs.shape[1], next(self.parameters()).dtype
            return torch.zeros(rows, steps, self.output_dim, dtype=dtype, device=inputs.device)
        states = self.encode(inputs, lengths)  # (P, T, d)
        states = states * inside(lengths, states.shape[1])[..., None].to(states.dtype)
        if everywhere:
            return states
        return states.new_zeros(rows, *states.shape[1:]).index_copy(0, present, states)

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

    def scale_learning_rates(self, name: str, scale: float, decay: float) -> None:
        """Marks each trained parameter with the group and the scale of its learning rate.

        The top layer learns at `scale` times ``--lr``, each layer below at `decay` times the one
        above it. The marks are those that fairseq's optimizers and 16-bit copies know.

        Args:
            name: the modality, which the groups are named after.
            scale, decay: more than 0.
        """
        layers = self.layers()
        for number, layer in enumerate(layers):
            share = scale * decay ** (len(layers) - 1 - number)
            for parameter in layer.parameters():
                if share != 1 and parameter.requires_grad:
                    group = f"{name}.{number}" if decay != 1 else name
                    parameter.param_group = group  # type: ignore[attr-defined]
                    parameter.optim_overrides = {"lr_scale": share}  # type: ignore[attr-defined]

    def blocks(self) -> list[nn.Module]:
        """The modules that `checkpoint_gradients` recomputes: those that are called as they are."""
        return self.layers()

    def checkpoint_gradients(self) -> None:
        """Recomputes each trained block in the backward pass instead of keeping what is in it."""
        for layer in self.blocks():
            layer.forward = MethodType(_recomputed, layer)

    # Checkpoints ------------------------------------------------------------------------------

    def knows_weights(self, source: str, sha256: str, *, leave_out: bool) -> None:
        """Lets checkpoints hold the hash of unchanged weights in place of the weights.

        A state that does so loads where the weights are here already.

        Args:
            source: where the weights come from, for messages.
            sha256: of their file.
            leave_out: whether `state_dict` is to leave the weights out.
        """
        own = torch.tensor(list(bytes.fromhex(sha256)), dtype=torch.uint8)

        def remove(_: nn.Module, state: Any, prefix: str, *__: Any) -> None:
            for key in [key for key in state if key.startswith(prefix)]:
                del state[key]
            state[prefix + HASH] = own

        def fill_in(module: Any, state: Any, prefix: str, *_: Any) -> None:
            then = state.pop(prefix + HASH, None)
            if then is None:  # a checkpoint that holds the weights
                return
            if not torch.equal(then.cpu(), own):
                raise InputError(
                    f"{source} has sha256 {sha256}, the checkpoint was trained with weights of "
                    f"sha256 {bytes(then.tolist()).hex()}, which it leaves out; give those"
                )
            state.update(module.network.state_dict(prefix=f"{prefix}network."))

        if leave_out:
            self.register_state_dict_post_hook(remove)
        self.register_load_state_dict_pre_hook(fill_in)


def _recomputed(layer: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """A layer's own forward, whose inner results are not kept in training."""
    forward = MethodType(type(layer).forward, layer)
    if layer.training and torch.is_grad_enabled():
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)
    return forward(*args, **kwargs)


def lr_scale_of(parameter: Tensor) -> float:
    """By what the learning rate of a parameter is multiplied."""
    marks: Mapping[str, float] = getattr(parameter, "optim_overrides", None) or {}
    return float(marks.get("lr_scale", 1.0))
