"""Operators that torch's exporter of traced graphs does not write as ONNX, or not rightly.

Each is a function of the exporter's graph and the operator's inputs, as `torch.onnx` has them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

OPSET = 18  # of ONNX
Value = Any  # torch's value of a graph


def transposed(graph: Any, matrices: Value) -> Value:
    """``tensor.mT``."""
    rank = matrices.type().dim()
    return graph.op("Transpose", matrices, perm_i=[*range(rank - 2), rank - 1, rank - 2])


def unflattened(graph: Any, tensor: Value, dim: Value, sizes: Value) -> Value:
    """``tensor.unflatten``, whose shape the exporter takes for a constant."""
    rank = tensor.type().dim()
    place = dim.node().t("value").item() % rank
    shape = graph.op("Shape", tensor)
    before, behind = (
        graph.op("Slice", shape, *(numbers(graph, n) for n in ends))
        for ends in ((0, place), (place + 1, rank))
    )
    if place == rank - 1:
        before = graph.op("Constant", value_t=torch.zeros(place, dtype=torch.int64))  # 0: as it is
    return graph.op("Reshape", tensor, graph.op("Concat", before, sizes, behind, axis_i=0))


def numbers(graph: Any, *found: int) -> Value:
    """Whole numbers, (n,)."""
    return graph.op("Constant", value_t=torch.tensor(found, dtype=torch.int64))


def chunked(
    graph: Any, tensor: Value, chunks: Value, dim: Value, _outputs: int | None = None
) -> Value:
    """``tensor.unsafe_chunk``, where the exporter does not know the dimension's size."""
    count, axis = (value.node().t("value").item() for value in (chunks, dim))
    return graph.op("Split", tensor, axis_i=axis, num_outputs_i=count, outputs=_outputs or count)


def gru_cell(
    graph: Any, given: Value, state: Value, w_ih: Value, w_hh: Value, b_ih: Value, b_hh: Value
) -> Value:
    """One step of a GRU, written out; the rows of its weights are reset, update and new state."""

    def gates(inputs: Value, weights: Value, bias: Value) -> list[Value]:
        product = graph.op("MatMul", inputs, graph.op("Transpose", weights, perm_i=[1, 0]))
        whole = graph.op("Add", product, bias)
        return list(graph.op("Split", whole, axis_i=1, num_outputs_i=3, outputs=3))

    given_gates, state_gates = gates(given, w_ih, b_ih), gates(state, w_hh, b_hh)
    reset, update = (
        graph.op("Sigmoid", graph.op("Add", one, other))
        for one, other in zip(given_gates[:2], state_gates[:2], strict=True)
    )
    new = graph.op("Tanh", graph.op("Add", given_gates[2], graph.op("Mul", reset, state_gates[2])))
    return graph.op("Add", new, graph.op("Mul", update, graph.op("Sub", state, new)))


def packed(graph: Any, sequences: Value, lengths: Value, batch_first: Value) -> list[Value]:
    """As the exporter has it, with types, without which it prints a warning for each."""
    from torch.onnx import symbolic_opset9

    found: list[Value] = symbolic_opset9._pack_padded_sequence(
        graph, sequences, lengths, batch_first
    )
    found[0].setType(sequences.type().with_sizes([None, None]))
    found[1].setType(lengths.type())
    return found


def padded(graph: Any, states: Value, sizes: Value, *how: Value) -> list[Value]:
    """The other way round, likewise."""
    from torch.onnx import symbolic_opset9

    found: list[Value] = list(symbolic_opset9._pad_packed_sequence(graph, states, sizes, *how))
    found[0].setType(states.type().with_sizes([None, None, None]))
    return found


OPERATORS: Mapping[str, Callable[..., Value]] = {
    "aten::mT": transposed,
    "aten::unflatten": unflattened,
    "aten::unsafe_chunk": chunked,
    "aten::gru_cell": gru_cell,
    "aten::_pack_padded_sequence": packed,
    "aten::_pad_packed_sequence": padded,
}


@contextmanager
def more_operators() -> Iterator[None]:
    """Within it, the exporter knows `OPERATORS` too."""
    for name, function in OPERATORS.items():
        torch.onnx.register_custom_op_symbolic(name, function, OPSET)
    try:
        yield
    finally:
        for name in OPERATORS:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)
