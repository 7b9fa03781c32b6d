"""Loops over time, kept as loops where a network is traced.

A trace holds the steps that it saw, so a graph of it, say ONNX's, would read sequences of that one
length. A function with `kept_loops` is compiled instead, and its loop goes into the graph.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

Function = TypeVar("Function", bound=Callable[..., Any])
Cell = tuple[Tensor, Tensor, Tensor, Tensor]  # a GRU's: weights and biases of input and state


def kept_loops(function: Function) -> Function:
    """Decorator of functions of tensors that loop over time, in the subset that torch compiles."""

    @functools.wraps(function)
    def call(*tensors: Any) -> Any:
        if not torch.jit.is_tracing():
            return function(*tensors)
        return _compiled(function)(*tensors)

    return cast(Function, call)


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a way that ONNX still needs
        compiled: Callable[..., Any] = torch.jit.script(function)
    return compiled


def weights_of(cell: nn.GRUCell) -> Cell:
    """What `input_gates` and `step` read of a cell."""
    return cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh


def input_gates(given: Tensor, cell: Cell) -> Tensor:
    """What (..., d) inputs say to the three gates (..., 3·e), for all steps at once."""
    return torch.nn.functional.linear(given, cell[0], cell[2])


def step(gates: Tensor, state: Tensor, cell: Cell) -> Tensor:
    """The state (N, e) after the step of which `input_gates` gave (N, 3·e), from the one before."""
    reset, update, new = gates.chunk(3, dim=1)
    own = torch.nn.functional.linear(state, cell[1], cell[3])
    own_reset, own_update, own_new = own.chunk(3, dim=1)
    update = torch.sigmoid(update + own_update)
    new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
    return new + update * (state - new)
