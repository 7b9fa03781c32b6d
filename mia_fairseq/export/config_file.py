"""``config.json`` of an exported model: what its weights were built from."""

import json
from pathlib import Path
from typing import Any

from mia_fairseq.checkpoints.plain_values import check_plain
from mia_fairseq.errors import InputError, quoted
from mia_fairseq.export.folder_names import CONFIG

FORMAT = 1


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of an exported model.

    Raises:
        InputError: it cannot be read, or is of a later format.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        found = config["format"]
        config["settings"]["_name"]
        config["weights"]["sha256"]
        config.get("onnx", {"sha256": ""})["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: is no configuration of an exported model ({quoted(error)}); export it again"
        ) from error
    check_plain(config, path, references=True)
    if found != FORMAT:
        raise InputError(
            f"{path}: has format {quoted(found)}, expected {FORMAT}; update mia_fairseq"
        )
    return dict(config)
