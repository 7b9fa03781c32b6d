"""Checkpoints that hold the hash of an encoder's pretrained weights in place of the weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from mia_fairseq.errors import InputError

HASH = "sha256"  # the name under which a checkpoint holds it
PREFIX = "network."


def leave_out(encoder: nn.Module, sha256: str, is_left_out: Callable[[str], bool]) -> None:
    """Lets an encoder's `state_dict` hold a hash instead of weights that did not change.

    Args:
        encoder: with the weights in it.
        sha256: of the file that they come from.
        is_left_out: whether the weight of a name, within the encoder, is that of the file.
    """
    own = _as_tensor(sha256)

    def remove(_: nn.Module, state: Any, prefix: str, *__: Any) -> None:
        for key in [key for key in state if key.startswith(prefix)]:
            if is_left_out(key.removeprefix(prefix)):
                del state[key]
        state[prefix + HASH] = own

    encoder.register_state_dict_post_hook(remove)


def fill_in(
    encoder: nn.Module, source: str, sha256: str, is_left_out: Callable[[str], bool]
) -> None:
    """Lets states that leave weights out load into an encoder that has them already.

    Args:
        encoder: with the weights in it, as ``network``.
        source: where they come from, for messages.
        sha256: of their file; a state with another one is refused with an `InputError`.
        is_left_out: whether the weight of a name, within the encoder, is that of the file.
    """
    own = _as_tensor(sha256)

    def complete(module: Any, state: Any, prefix: str, *_: Any) -> None:
        then = state.pop(prefix + HASH, None)
        if then is None:  # a checkpoint that holds the weights
            return
        if not torch.equal(then.cpu(), own):
            raise InputError(
                f"{source} has sha256 {sha256}, the checkpoint was trained with weights of "
                f"sha256 {bytes(then.tolist()).hex()}, which it leaves out; give those"
            )
        for name, value in module.network.state_dict(prefix=PREFIX).items():
            if is_left_out(name):
                state[prefix + name] = value

    encoder.register_load_state_dict_pre_hook(complete)


def _as_tensor(sha256: str) -> torch.Tensor:
    return torch.tensor(list(bytes.fromhex(sha256)), dtype=torch.uint8)
