"""A trained model, run by torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mia_fairseq.data.dataset import tensors_of
from mia_fairseq.errors import InputError, shortened
from mia_fairseq.export.answering import AnsweringModel
from mia_fairseq.export.exported_model import read_exported
from mia_fairseq.export.folder_names import is_exported
from mia_fairseq.export.trained_model import read_checkpoint
from mia_fairseq.predict.networks.opened_model import OpenedModel


class TorchNetwork:
    """A model of `mia_fairseq.models`, as a `Network`.

    Args:
        model: ready to answer.
        device: where it runs.
    """

    def __init__(self, model: AnsweringModel, device: torch.device) -> None:
        self.model, self.device = model.to(device), device

    def answers(self, batch: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """As `OnnxModel.answers`."""
        with torch.no_grad():
            told = self.model(tensors_of(batch, self.device))
        return {name: numbers.cpu().numpy() for name, numbers in told.items()}


def open_by_torch(path: Path, device: str = "cpu") -> OpenedModel:
    """The model of a file of fairseq-train or of an exported folder.

    Raises:
        InputError: it cannot be read, or there is no such device.
    """
    place = find_device(device)
    trained = read_exported(path) if is_exported(path) else read_checkpoint(path)
    schema = trained.blueprint.schema
    network = TorchNetwork(AnsweringModel(trained.model, schema), place)
    return OpenedModel(network, schema, trained.thresholds, trained.seen)


def find_device(name: str) -> torch.device:
    """Where torch is to run a model.

    Raises:
        InputError: torch knows no such device, or has none here.
    """
    try:
        place = torch.zeros(1).to(torch.device(name))
        place.cpu()  # "meta" holds no numbers to give back
        return place.device
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason = shortened(str(error).splitlines()[0])
        raise InputError(
            f"device is {name!r}, which torch does not have here ({reason}); leave it out, or "
            "install PyTorch for it"
        ) from error
