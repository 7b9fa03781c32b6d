"""A corpus of GENERATED numbers, of any size, for benchmarks of loading."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter

MOSI_ROWS = {"train": 1284, "valid": 229, "test": 686}


def write_corpus(
    path: Path, dims: Mapping[str, int], rows: Mapping[str, int], seed: int = 1
) -> None:
    """Writes ``DATA/`` with one Gaussian vector a modality and row, and scores from -3 to 3.

    Args:
        path: where to.
        dims: d of each modality.
        rows: of each split.
        seed: of the numbers.
    """
    rng = np.random.default_rng(seed)
    specs = {name: ModalitySpec(dim, "generated") for name, dim in dims.items()}
    label = LabelSpec("regression")
    with StoreWriter(path, corpus="generated", label=label, modalities=specs) as store:
        for split, count in rows.items():
            for row in range(count):
                score = float(np.round(rng.uniform(label.minimum, label.maximum), 1))
                text = f"a generated sentence, number {row}, of about the usual length"
                utterance = Utterance(
                    f"{split}_{row}", score, text, f"{split}_{row // 24}", row % 24
                )
                features = {
                    name: rng.standard_normal(dim, dtype=np.float32) for name, dim in dims.items()
                }
                store.add(split, utterance, features)
