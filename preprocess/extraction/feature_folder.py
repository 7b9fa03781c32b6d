"""The folder of extracted features: one array a clip and modality, and what happened to the rest.

    FEATURES/<modality>/<id>.npy         (T, dim), float32 or float16; tokens (T,), int32; frames
                                         (T, dim, dim, 3), uint8
    FEATURES/<modality>/extractor.json   what made them (`Extractor.describe`), pooling, dtype
    FEATURES/<modality>/dict.txt         the dictionary of tokens
    FEATURES/<modality>/failures.tsv     id, reason: clips without an array
    FEATURES/<modality>/notes.tsv        id, remark: clips that were cut, had no words, ...
    FEATURES/manifest_faults.tsv         id, reason: rows of the manifest that cannot be used

While a shard works it appends to ``failures.<shard>.tsv`` and ``notes.<shard>.tsv`` beside the
arrays; `merge` joins them once every clip is accounted for.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.data.format.labels import one_line
from mia_fairseq.errors import InputError
from mia_fairseq.files import only_writer, write_whole
from preprocess.media.media_files import visible
from preprocess.tables.manifest import Manifest

RECORDS = {"failures": "reason", "notes": "remark"}  # file name: its last column
Record = tuple[str, str]  # clip id, remark


def array_path(features: Path, modality: str, clip_id: str) -> Path:
    """Where a clip's array lies.

    Args:
        features: the folder of all modalities.
        modality: its name.
        clip_id: of the manifest.
    """
    return features / modality / f"{clip_id}.npy"


class Lacking(NamedTuple):
    """How many clips of a modality have no features, each for a reason that is on record."""

    failed: int  # without an array, told in failures.tsv
    empty: int  # with an array of no items, such as of no words, told in notes.tsv


def check_array(path: Path, description: Mapping[str, object]) -> str | None:
    """Why the file is not a whole array of the described make; None when it is. Data stay unread.

    Raises FileNotFoundError where there is none.
    """
    dtype = str(description["dtype"])
    kind = KINDS[str(description.get("kind", "features"))]
    expected = kind.item_shape(int(str(description["dim"])))
    with path.open("rb") as file:
        try:
            shape, fortran, found = _read_header(file)
        except (ValueError, SyntaxError, TypeError, EOFError) as error:
            return f"it is no NumPy array ({error})"
        size = file.tell() + math.prod(shape) * found.itemsize
    unordered = fortran and len(shape) > 1
    if not shape or shape[1:] != expected or found != np.dtype(dtype) or unordered:
        return (
            f"it holds {shape} {found}, expected ({', '.join(map(str, ('T', *expected)))}) {dtype}"
        )
    if path.stat().st_size != size:
        return f"it has {path.stat().st_size} bytes, expected {size}"
    return None


def is_empty(path: Path) -> bool:
    """Whether a whole array has no items: T is 0."""
    with path.open("rb") as file:
        return 0 in _read_header(file)[0]


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def read_description(features: Path, modality: str) -> dict[str, object] | None:
    """What made the features of a modality, None where nothing did yet."""
    path = features / modality / "extractor.json"
    if not path.is_file():
        return None
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: it is no JSON ({error}); remove {path.parent}") from error
    if not isinstance(description, dict):
        raise InputError(f"{path}: it is no JSON object; remove {path.parent}")
    return description


def dictionary_file(features: Path, modality: str) -> Path:
    """Where the dictionary of a token modality lies."""
    return features / modality / "dict.txt"


def write_description(
    features: Path,
    modality: str,
    description: Mapping[str, object],
    dictionary: str | None = None,
) -> None:
    """Put down what makes the features of a modality; refuse to mix two makes in one folder.

    Args:
        features: the folder.
        modality: its name.
        description: what ``extractor.json`` tells.
        dictionary: the text of ``dict.txt`` where the modality is tokens; there before
            ``extractor.json`` is.
    """
    with only_writer(features / modality / "extractor.json", wait=True):  # shards begin at once
        there = read_description(features, modality)
        if there is None:
            if dictionary is not None:
                write_whole(dictionary_file(features, modality), dictionary)
            text = json.dumps(description, indent=2, sort_keys=True, ensure_ascii=False)
            write_whole(features / modality / "extractor.json", text + "\n")
            return
    wanted = json.loads(json.dumps(description))
    for key in sorted({*there, *wanted}):
        if there.get(key) != wanted.get(key):
            raise InputError(
                f"{features / modality} was made with {key} {there.get(key)!r}, not "
                f"{wanted.get(key)!r}; name another --out, or remove that folder"
            )


def append_records(
    features: Path, modality: str, kind: str, shard: str, lines: list[Record]
) -> None:
    """Appends to a shard's records; a line that a killed process left half is ended first.

    Args:
        features: the folder of all modalities.
        modality: its name.
        kind: failures or notes.
        shard: its name.
        lines: clip ids and remarks.
    """
    if not lines:
        return
    path = features / modality / f"{kind}.{shard}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{clip_id}\t{one_line(remark)}\n" for clip_id, remark in lines)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                text = "\n" + text
        file.write(text.encode())


def read_records(features: Path, modality: str, kind: str) -> dict[str, list[str]]:
    """The records of the merged file and of every shard; half lines are left out.

    Args:
        features: the folder of all modalities.
        modality: its name.
        kind: failures or notes.

    Returns:
        {clip id: its remarks, sorted}.
    """
    found: dict[str, set[str]] = {}
    for path in sorted((features / modality).glob(f"{kind}*.tsv")):
        for line in path.read_bytes().decode(errors="replace").split("\n")[:-1]:
            clip_id, tab, remark = line.partition("\t")
            if tab and (clip_id, remark) != ("id", RECORDS[kind]):
                found.setdefault(clip_id, set()).add(remark)
    return {clip_id: sorted(remarks) for clip_id, remarks in found.items()}


def forget_notes(features: Path, modality: str, shard: str, clips: Collection[str]) -> None:
    """Takes the remarks on some clips off the merged record and the shard's own.

    Args:
        features: the folder of all modalities.
        modality: its name.
        shard: its name.
        clips: their ids.
    """
    folder = features / modality
    with only_writer(folder / "notes.tsv", wait=True):  # shards begin at once
        shards = "*" if shard == "0-of-1" else shard  # a run alone mends what shards have left
        for path in (folder / "notes.tsv", *folder.glob(f"notes.{shards}.tsv")):
            lines = path.read_text(encoding="utf-8").splitlines(True) if path.is_file() else []
            kept = [line for line in lines if line.partition("\t")[0] not in clips]
            if kept != lines:
                write_whole(path, "".join(kept))


def merge(features: Path, manifest: Manifest, modalities: Sequence[str] = ()) -> dict[str, Lacking]:
    """Close a features folder: check that every clip is there or accounted for, join the records.

    Args:
        features: the folder that `preprocess.extract` wrote.
        manifest: the corpus.
        modalities: those to close; none: all that the folder has.

    Returns how many clips lack each modality. Raises InputError while clips are missing, or an
    array is not whole. Merging twice is harmless.
    """
    there = [path.parent.name for path in visible(features, "*/extractor.json")]
    if not there:
        raise InputError(f"{features} has no features yet; run preprocess.extract first")
    lacking = {name: _merge_modality(features, manifest, name) for name in modalities or there}
    faults = [(fault.id, fault.reason) for fault in manifest.faults]
    _write_records(features / "manifest_faults.tsv", "reason", faults)
    return lacking


def _merge_modality(features: Path, manifest: Manifest, modality: str) -> Lacking:
    description = read_description(features, modality)
    if description is None:
        raise InputError(f"{features / modality} has no extractor.json; extract {modality} first")
    reasons = read_records(features, modality, "failures")
    failures: list[Record] = []
    missing: list[Record] = []
    empty = 0
    for row in manifest.rows:
        try:
            path = array_path(features, modality, row.id)
            fault = check_array(path, description)
            empty += fault is None and is_empty(path)
        except FileNotFoundError:
            fault = "it is not there"
            if row.id in reasons:
                failures.append((row.id, "; ".join(reasons[row.id])))
                continue
        if fault is not None:
            missing.append((row.id, fault))
    if missing:
        raise InputError(
            f"{features / modality}: {len(missing)} of {len(manifest.rows)} arrays are missing or "
            f"broken, the first that of {missing[0][0]} ({missing[0][1]}); let every shard end, or "
            "run preprocess.extract again, then merge"
        )
    notes = read_records(features, modality, "notes")
    known = [(row.id, remark) for row in manifest.rows for remark in notes.get(row.id, ())]
    for kind, records in (("failures", failures), ("notes", known)):
        _write_records(features / modality / f"{kind}.tsv", RECORDS[kind], records)
        for path in (features / modality).glob(f"{kind}.*.tsv"):
            path.unlink(missing_ok=True)
    for path in (features / modality).glob(".*.partial"):  # left behind by killed processes
        path.unlink(missing_ok=True)
    return Lacking(len(failures), empty)


def _write_records(path: Path, column: str, records: Sequence[Record]) -> None:
    lines = [("id", column), *records]
    write_whole(path, "".join(f"{clip_id}\t{one_line(remark)}\n" for clip_id, remark in lines))
