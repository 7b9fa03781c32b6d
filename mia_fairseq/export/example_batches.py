"""Batches of random numbers, with missing modalities and padding: to trace a model, and to try it.

B rows, T time.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.array_batch import batch_of
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema

TRACED = (3, 2, 0, 4, 1), (2, 3)  # lengths, and how many rows each dialogue has
TRIED = (
    ((5, 0, 1, 2, 5, 3, 0), (1, 4, 2)),
    ((1, 1), (2,)),
    ((7,), (1,)),
)


def example_batch(
    schema: Schema, lengths: Sequence[int], dialogues: Sequence[int], seed: int
) -> dict[str, Any]:
    """A batch of a schema's modalities, in arrays.

    Args:
        schema: of the model.
        lengths: (B,) of the main modality; those of others are the same by turns, so that rows
            lack different modalities.
        dialogues: how many rows each dialogue has.
        seed: of the numbers.
    """
    draw = np.random.default_rng(seed)
    features = {}
    for turn, name in enumerate(schema.inputs):
        turned = np.roll(lengths, turn).tolist()
        features[name] = [_row(schema.modalities[name], count, draw) for count in turned]
    batch = batch_of(schema, features, dialogues)
    if "talk" in batch:
        batch["talk"]["speaker"] = np.arange(len(lengths)) % 3
    return batch


def _row(spec: ModalitySpec, count: int, draw: np.random.Generator) -> NDArray[Any]:
    if spec.kind == "tokens":
        ids = draw.integers(0, spec.dim - 1, count)
        return ids + (ids >= spec.pad)  # never the one that pads
    if spec.kind == "frames":
        return draw.integers(0, 256, (count, *spec.item_shape), dtype=np.uint8)
    return draw.standard_normal((count, *spec.item_shape)).astype(np.float32)
