"""A trained model as `Predictor` uses it, whatever runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.checkpoints.rows_seen import Seen, seen_by
from mia_fairseq.checkpoints.task_state import read_schema
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.export.config_file import read_config
from mia_fairseq.export.folder_names import GRAPH, is_exported
from mia_fairseq.export.onnx_model import OnnxModel
from mia_fairseq.predict.networks.ready_graph import ready_graph
from mia_fairseq.ready.catalog import is_ready


class Network(Protocol):
    """What says something of a batch."""

    def answers(self, batch: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """Of arrays by `mia_fairseq.data.array_batch`, as `OnnxModel.answers` has them."""


@dataclass(frozen=True)
class OpenedModel:
    """A trained model.

    Attributes:
        network: the model itself.
        schema: what it reads and tells.
        thresholds: from which probability on each of several labels is predicted.
        seen: what it was trained on.
    """

    network: Network
    schema: Schema
    thresholds: Mapping[str, float]
    seen: Seen


def open_model(path: Path, device: str = "cpu", *, int8: bool = False) -> OpenedModel:
    """A trained model.

    Args:
        path: a file of fairseq-train, or a folder of mia_fairseq.export. One that was exported
            with --onnx, and a ready model, are run by onnxruntime, others by torch.
        device: where it runs; any but the processor's by torch.
        int8: whether a ready model's products are to be of 8 bits.

    Raises:
        InputError: it cannot be read, there is no such device, or it has no products of 8 bits.
    """
    if int8 and not (is_ready(path) and device == "cpu"):
        raise InputError(
            f"{path}: --quantize int8 is for ready models on the processor; a model of your own is "
            "exported so (python -m mia_fairseq.export CKPT --out FOLDER --quantize int8)"
        )
    if is_exported(path) and device == "cpu":
        config = read_config(path)
        graph = None
        if "onnx" in config:
            graph = OnnxModel(path / GRAPH, str(config["onnx"]["sha256"]))
        elif is_ready(path):
            graph = ready_graph(path, config, int8=int8)
        if graph is not None:
            thresholds = dict(config.get("thresholds", {}))
            return OpenedModel(graph, read_schema(config), thresholds, seen_by(config))
    from mia_fairseq.predict.networks.torch_network import open_by_torch  # seconds to import

    return open_by_torch(path, device)
