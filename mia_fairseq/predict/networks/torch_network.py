"""A trained model, run by torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mia_fairseq.data.dataset import tensors_of
from mia_fairseq.export.answering import AnsweringModel
from mia_fairseq.export.exported_model import read_exported
from mia_fairseq.export.folder_names import is_exported
from mia_fairseq.export.trained_model import read_checkpoint
from mia_fairseq.predict.networks.opened_model import OpenedModel


class TorchNetwork:
    """A model of `mia_fairseq.models`, as a `Network`.

    Args:
        model: ready to answer.
    """

    def __init__(self, model: AnsweringModel) -> None:
        self.model = model

    def answers(self, batch: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """As `OnnxModel.answers`."""
        with torch.no_grad():
            told = self.model(tensors_of(batch))
        return {name: numbers.numpy() for name, numbers in told.items()}


def open_by_torch(path: Path) -> OpenedModel:
    """The model of a file of fairseq-train or of an exported folder.

    Raises:
        InputError: it cannot be read.
    """
    trained = read_exported(path) if is_exported(path) else read_checkpoint(path)
    schema = trained.blueprint.schema
    network = TorchNetwork(AnsweringModel(trained.model, schema))
    return OpenedModel(network, schema, trained.thresholds)
