"""The official folds of CMU-MOSI and CMU-MOSEI: the SDK's own file, or the same as JSON."""

import ast
import json
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device
from preprocess.corpora.common import SPLITS
from preprocess.media.media_files import visible


def find_folds(raw: Path) -> Path:
    found = visible(raw, "*std_folds.py", "*/*std_folds.py")
    if found:
        return found[0]
    raise InputError(
        f"{raw}: labels in a .csd say nothing of splits; name the SDK's cmu_*_std_folds.py with "
        "--folds"
    )


def read_folds(path: Path) -> dict[str, str]:
    """{video: split} of the official folds."""
    check_is_no_device(path)
    try:
        text = path.read_text(encoding="utf-8")
        lists = json.loads(text) if path.suffix == ".json" else _literals(text)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: the folds cannot be read ({error!r})") from error
    if not isinstance(lists, dict):
        raise InputError(f"{path}: holds no names with lists of videos, as the SDK's folds have")
    folds: dict[str, str] = {}
    for split in SPLITS:
        key = f"standard_{split}_fold"
        if key not in lists:
            raise InputError(f"{path}: it has no {key}, but {', '.join(lists)}")
        named = lists[key]
        if not isinstance(named, list | tuple) or not all(isinstance(v, str) for v in named):
            raise InputError(f"{path}: {key} is {str(named)[:60]!r}, expected a list of videos")
        folds.update(dict.fromkeys(lists[key], split))
    return folds


def _literals(source: str) -> dict[str, Any]:
    """The plain values assigned in a Python file, which is read and never run."""
    return {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
