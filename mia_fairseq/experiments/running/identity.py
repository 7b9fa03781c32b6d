"""What makes a run or an evaluation: its flags, its rows, and the files that its flags name.

What is finished counts as finished only while all of that is the same.
"""

import contextlib
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.files import sha256_of

# Not resolved: --user-dir must lead to the plugin by the path that it is imported by.
ROOT = Path(__file__).absolute().parents[3]
CONTENT = "content_sha256"  # of a DATA folder's rows, in its meta.json
LABELS = ("label", "further_labels")  # of meta.json: their ranges and names decide metrics
FILES = "files_sha256"  # of the files that flags name
MAY_LACK = {CONTENT, *LABELS, FILES}  # what older runs, and older DATA, do not tell


def described(data: Path, flags: Sequence[str]) -> dict[str, Any]:
    """The identity of a command on a DATA folder, in plain containers."""
    description: dict[str, Any] = {"data": str(data), "flags": list(flags)}
    with contextlib.suppress(OSError, ValueError, TypeError):  # the command tells what is amiss
        meta = json.loads((data / "meta.json").read_text())
        description |= {key: meta[key] for key in (CONTENT, *LABELS) if key in meta}
    if named := _files_named(flags):
        description[FILES] = named
    return description


def _files_named(flags: Sequence[str]) -> dict[str, str]:
    """The sha256 of each file that a flag names; folders are not read.

    It may be named alone, in a list, or behind a kind: ``text=trained:FILE,audio=roberta:FILE``.
    """
    words = [word.rpartition(":")[2] for flag in flags for word in {flag, *flag.split(",")}]
    files = {word: ROOT / word for word in words if word and (ROOT / word).is_file()}
    return {word: _sha256(file, file.stat().st_mtime_ns) for word, file in files.items()}


@functools.lru_cache
def _sha256(file: Path, changed: int) -> str:
    """Of a file, which is read again when it has changed."""
    return sha256_of(file)


def holds(file: Path, description: dict[str, Any]) -> bool:
    """Whether a JSON file is there, whole, and describes this run.

    What DATA and named files hold, and what its labels are, counts where both tell it.
    """
    try:
        written = json.loads(file.read_text())
    except (OSError, ValueError):
        return False
    if not isinstance(written, dict):
        return False
    in_both = written.keys() & description.keys()
    keys = (written.keys() | description.keys()) - (MAY_LACK - in_both)
    return all(written.get(key) == description.get(key) for key in keys)
