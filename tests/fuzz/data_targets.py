"""DATA folders: any change is refused on opening, or told by ``mia_fairseq.data.verify``."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from harness import make_store
from mutations import change_file
from outcomes import expect

from mia_fairseq.data import verify
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.data.schema import Schema

Contents = dict[str, dict[str, Any]]


def data(scratch: Path) -> tuple[Path, Contents]:
    """A small DATA folder with features and tokens, and what a reader finds in it."""
    rows = {"train": 5, "valid": 3}
    path = make_store(scratch / "DATA", {"words": 12, "audio": 3}, rows=rows,
                      kinds={"words": "tokens"})  # fmt: skip
    return path, contents(path)


def contents(path: Path) -> Contents:
    """All that a folder holds."""
    store = Store(path)
    found: Contents = {"": {"label": store.label.to_json(), "modalities": sorted(store.modalities)}}
    for name in store.splits:
        split = store.split(name)
        found[name] = {
            "rows": [(r.id, r.label, r.text, r.group, r.position, r.fold) for r in split.rows],
            **{
                modality: [np.asarray(table[row]).tolist() for row in range(len(split))]
                for modality, table in split.features.items()
            },
        }
    return found


def folders(base: tuple[Path, Contents], rng: random.Random, scratch: Path) -> None:
    """A DATA folder of which one file is changed."""
    whole, known = base
    path = scratch / "DATA"
    shutil.copytree(whole, path)
    victim = rng.choice(sorted(path.iterdir()))
    action = rng.random()
    if action < 0.08:
        victim.unlink()
    elif action < 0.16:
        shutil.copyfile(rng.choice(sorted(whole.iterdir())), victim)
    else:
        change_file(rng, victim)
    told = list(verify.faults(path))
    try:
        found = contents(path)
    except UnicodeDecodeError as error:
        raise AssertionError(f"opened, then {error}") from error
    expect(found == known or told, f"{victim.name} changed, and verify says nothing")
    schema = Schema.choose(Store(path), "audio", (), {})
    open_split(Store(path), "train", schema)
