"""A trained model as a folder: weights, what it was built from, and a card.

``model.safetensors`` holds all parameters and buffers. ``config.json`` holds what they were built
from: settings, schema with labels, the statistics of normalisation, and for each encoder its
architecture and hash. Nothing in the folder is unpickled, and reading it needs torch and
safetensors, not fairseq.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mia_fairseq.checkpoints.checkpoint_file import check_weights
from mia_fairseq.encoders.feature_encoder import FeatureEncoder
from mia_fairseq.errors import InputError, quoted
from mia_fairseq.export.config_file import FORMAT, read_config
from mia_fairseq.export.folder_names import CONFIG, WEIGHTS
from mia_fairseq.export.trained_model import TrainedModel, build_trained
from mia_fairseq.files import atomic_path, sha256_of, write_whole
from mia_fairseq.modules.row_memory import memories

if TYPE_CHECKING:
    from mia_fairseq.models.affect_model import AffectModel

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def write_exported(
    folder: Path,
    model: "AffectModel",
    task_state: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    precision: str = "float32",
    about: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model's folder; config.json comes last, so a folder that has it is whole.

    Args:
        folder: made if it is not there.
        model: trained.
        task_state: what checkpoints keep of the task: schema, encoders, thresholds.
        settings: of the model, with its ``_name``.
        precision: of the weights in the file; they are computed with in float32 all the same.
        about: what else config.json is to tell.
    """
    kind = PRECISIONS[precision]
    of_rows = memories(model)  # what training kept of its rows is nobody else's
    weights = {
        name: (tensor.to(kind) if tensor.is_floating_point() else tensor).detach().clone()
        for name, tensor in model.state_dict().items()
    }
    weights |= {name: weights[name][:0] for name in of_rows}
    with atomic_path(folder / WEIGHTS) as partial:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, partial)
        partial.chmod(0o644)  # safetensors lets nobody else read it
    config = {
        "format": FORMAT,
        "settings": dict(settings),
        **task_state,
        "normalization": statistics(model),
        "weights": {"sha256": sha256_of(folder / WEIGHTS), "precision": precision},
        **(about or {}),
    }
    write_whole(folder / CONFIG, json.dumps(config, indent=1, allow_nan=False) + "\n")


def statistics(model: "AffectModel") -> dict[str, dict[str, list[float]]]:
    """Mean and scale of each modality's columns, as features are normalised with."""
    return {
        name: {"mean": encoder.mean.tolist(), "scale": encoder.scale.tolist()}
        for name, encoder in model.encoders.items()
        if isinstance(encoder, FeatureEncoder)
    }


def read_exported(folder: Path) -> TrainedModel:
    """The model of a folder, ready to predict.

    Raises:
        InputError: a file cannot be read, the weights are not those of config.json, the
            architecture is not known, or an encoder that they leave out is not there.
    """
    config = read_config(folder)
    weights = _read_weights(folder, config)
    check_weights(weights, folder / WEIGHTS)
    return build_trained(config["settings"], config, weights, folder)


def _read_weights(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    expected = config["weights"]["sha256"]
    if not path.is_file() or sha256_of(path) != expected:
        raise InputError(
            f"{path}: is not the file that {CONFIG} was written for, of sha256 {quoted(expected)}; "
            "export the model again, or copy the folder whole"
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); export the model again") from error
