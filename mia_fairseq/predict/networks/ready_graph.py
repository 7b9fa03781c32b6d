"""The graph of a ready model: made at its first use, and kept in the cache.

It holds the encoder, with the maps of LoRA added to its weights, and all that follows, so that the
model answers without torch and transformers, which take seconds to import.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.export.folder_names import GRAPH, GRAPH_VERSION, INT8
from mia_fairseq.export.onnx_model import OnnxModel
from mia_fairseq.files import only_writer, replaced_folder, write_json
from mia_fairseq.pretrained.model_store import cache_folder

logger = logging.getLogger(__name__)

RECORD = "graph.json"  # beside a graph: its sha256


def ready_graph(folder: Path, config: Mapping[str, Any], *, int8: bool = False) -> OnnxModel | None:
    """The graph of a ready model; None where it cannot be made or kept, which is told.

    Args:
        folder: of the model.
        config: what its ``config.json`` holds.
        int8: whether its products are of 8 bits.
    """
    name = f"{folder.name}-{hash_of_parts(config)}" + (f"-{INT8}" if int8 else "")
    place = cache_folder() / "graphs" / name
    kept = _kept_graph(place)
    if kept is not None:
        return kept
    try:
        with only_writer(place, wait=True):  # two first uses at once make it once
            return _kept_graph(place) or _made_graph(folder, place, int8=int8)
    except (InputError, OSError) as error:
        logger.warning("%s is run by torch, which starts slowly: %s", folder.name, error)
        return None


def _kept_graph(place: Path) -> OnnxModel | None:
    """The graph of a folder of the cache; None where there is none, or a damaged one."""
    try:
        return OnnxModel(place / GRAPH, _recorded(place))
    except InputError:
        return None


def _made_graph(folder: Path, place: Path, *, int8: bool) -> OnnxModel:
    """Writes a model's graph with its record: a folder that is moved to its name once, whole."""
    if place.exists():
        logger.warning("%s is damaged or incomplete; making it again", place / GRAPH)
    logger.warning("preparing %s for its first use, which takes some seconds", folder.name)
    from mia_fairseq.export.onnx_writing import write_graph  # needs torch

    with replaced_folder(place) as partial:
        sha256 = write_graph(folder, partial / GRAPH, int8=int8)
        write_json(partial / RECORD, {"sha256": sha256})
    return OnnxModel(place / GRAPH, sha256)


def hash_of_parts(config: Mapping[str, Any]) -> str:
    """A name for what a graph is made of: the model's weights, its encoders', and the way."""
    encoders = [str(told["sha256"]) for told in config.get("encoders", {}).values()]
    parts = [str(GRAPH_VERSION), str(config["weights"]["sha256"]), *encoders]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _recorded(place: Path) -> str:
    """The sha256 that a graph is to have; '' where none is known."""
    try:
        told = json.loads((place / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told.get("sha256")) if isinstance(told, dict) else ""
