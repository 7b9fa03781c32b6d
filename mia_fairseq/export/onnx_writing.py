"""Writes a trained model as an ONNX file: encoders, fusion, conversation and head in one graph.

Batch and time are free in it. The model is traced, which holds what was computed for one batch, so
the graph is then tried on batches of other sizes: a model that does otherwise there is refused.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mia_fairseq.data.dataset import tensors_of
from mia_fairseq.errors import InputError, quoted
from mia_fairseq.export.answering import AnsweringModel
from mia_fairseq.export.batch_names import named, nested
from mia_fairseq.export.config_file import read_config
from mia_fairseq.export.example_batches import TRACED, TRIED, example_batch
from mia_fairseq.export.exported_model import read_exported
from mia_fairseq.export.folder_names import CONFIG, GRAPH, INT8
from mia_fairseq.export.onnx_int8 import to_int8
from mia_fairseq.export.onnx_model import OnnxModel
from mia_fairseq.export.onnx_operators import OPSET, more_operators
from mia_fairseq.files import atomic_path, sha256_of, write_whole
from mia_fairseq.pretrained.libraries import require

TOLERANCE = 1e-4  # of answers, between torch and onnxruntime


def write_onnx(folder: Path, *, int8: bool = False) -> None:
    """Adds `GRAPH` to an exported model's folder, and its hash to the folder's configuration.

    Args:
        folder: of the model.
        int8: as `write_graph` has it.

    Raises:
        InputError: as `write_graph`.
    """
    config = read_config(folder)
    config["onnx"] = {"sha256": write_graph(folder, folder / GRAPH, int8=int8), "opset": OPSET}
    if int8:
        config["onnx"]["precision"] = INT8
    write_whole(folder / CONFIG, json.dumps(config, indent=1, allow_nan=False) + "\n")


def write_graph(folder: Path, path: Path, *, int8: bool = False) -> str:
    """Writes the model of an exported folder as ONNX, and returns the file's sha256.

    Args:
        folder: of the model.
        path: of the file.
        int8: whether products are of 8 bits, which costs a little of the answers' exactness.

    Raises:
        InputError: the folder cannot be read, the model cannot be written as ONNX, or gives other
            answers so.
    """
    require("onnx", "onnx", "a model as ONNX")
    trained = read_exported(folder)
    model = AnsweringModel(trained.model, trained.blueprint.schema)
    with atomic_path(path) as partial:
        trace(model, partial, str(folder))
        partial.chmod(0o644)
        sha256 = sha256_of(partial)
        check_answers(model, OnnxModel(partial, sha256), str(folder))
        if int8:
            to_int8(partial)
            partial.chmod(0o644)
            sha256 = sha256_of(partial)
            OnnxModel(partial, sha256)  # it can be run
    return sha256


class NamedTensors(nn.Module):
    """A model that is called with tensors in the order of their names."""

    def __init__(self, model: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        told = self.model(nested(dict(zip(self.names, tensors, strict=True))))
        return tuple(told.values())


def trace(model: AnsweringModel, path: Path, where: str) -> None:
    """Writes a model as ONNX.

    Args:
        model: ready to answer.
        path: of the file.
        where: the model's place, for messages.

    Raises:
        InputError: it does what ONNX, or torch's exporter, has no operator for.
    """
    tensors = named(tensors_of(example_batch(model.schema, *TRACED, seed=0)))
    told = ["prediction", *(f"further.{name}" for name in model.schema.further)]
    free = {
        name: {place: f"{name}.{place}" for place in range(min(2, tensor.dim()))}
        for name, tensor in tensors.items()
    }
    free |= {name: {0: "rows"} for name in told}
    with _as_graph():
        try:
            torch.onnx.export(
                NamedTensors(model, list(tensors)).eval(),
                tuple(tensors.values()),
                str(path),
                input_names=list(tensors),
                output_names=told,
                dynamic_axes=free,
                opset_version=OPSET,
                dynamo=False,
            )
        except Exception as error:  # the exporter's own, and whatever torch makes of an operator
            raise InputError(
                f"{where}: this model cannot be written as ONNX ({quoted(first_line(error))}); "
                "leave --onnx out, the folder is run by torch"
            ) from error
    forget_sizes_in_loops(path)


def forget_sizes_in_loops(path: Path) -> None:
    """Takes out of a graph's loops the sizes that were seen while it was traced.

    What grows step by step has another one at each step, and onnxruntime would warn of it.
    """
    onnx = require("onnx", "onnx", "a model as ONNX")
    model = onnx.load(str(path))
    parts = [held for node in model.graph.node for held in node.attribute if held.HasField("g")]
    for body in (part.g for part in parts):
        carried = (*body.input[2:], *body.output[1:])  # behind the step's number and the condition
        for value in (*carried, *body.value_info):
            if value.type.HasField("tensor_type"):  # and no sequence of them
                value.type.tensor_type.ClearField("shape")
    if parts:
        onnx.save(model, str(path))


@contextmanager
def _as_graph() -> Iterator[None]:
    """What a graph needs while it is made: torch's plain operators; and warns of nothing."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), warnings.catch_warnings(), more_operators():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def check_answers(model: AnsweringModel, graph: OnnxModel, where: str) -> None:
    """Raises `InputError` unless a graph says of batches of other sizes what its model says."""
    for seed, (lengths, dialogues) in enumerate(TRIED, start=1):
        batch = example_batch(model.schema, lengths, dialogues, seed)
        with torch.no_grad():
            expected = {name: told.numpy() for name, told in model(tensors_of(batch)).items()}
        why = "other answers"
        try:
            found = graph.answers(batch)
        except InputError as error:
            found, why = {}, str(error)
        if not all(name in found and _same(found[name], told) for name, told in expected.items()):
            raise InputError(
                f"{where}: as ONNX this model does not say of {len(lengths)} rows what it says in "
                f"torch ({quoted(why)}), so something in it depends on a batch's size in Python "
                "(len, int, a loop over time); leave --onnx out, the folder is run by torch"
            )


def _same(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    return found.shape == expected.shape and np.allclose(
        found, expected, rtol=TOLERANCE, atol=TOLERANCE
    )


def first_line(error: Exception) -> str:
    """What an error says, in a line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
