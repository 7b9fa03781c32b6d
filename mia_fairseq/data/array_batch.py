"""Batches as models read them, made of arrays: by NumPy alone.

B rows, T the longest sequence of a modality in the batch, d its dim, W windows of dialogues.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.dialogue import DialogueReader, DialogueReading


def batch_of(
    schema: Schema,
    features: Mapping[str, Sequence[NDArray[Any]]],
    dialogues: Sequence[int] | None = None,
) -> dict[str, Any]:
    """What a model is called with, in arrays: ``features`` and ``lengths`` of each modality.

    Where whole dialogues are read there are ``talk``, and ``windows`` of what is read at once (see
    `mia_fairseq.data.dialogue_dataset.DialogueDataset.collater`); nobody says who speaks.

    Args:
        schema: how rows are read.
        features: for each modality, one array a row: (T, d) features, (T,) tokens or
            (T, side, side, 3) frames; T = 0 where missing.
        dialogues: how many rows each dialogue has, one after another; by default each is alone.
    """
    inputs: dict[str, Any] = {"features": {}, "lengths": {}}
    for name in schema.inputs:
        padded, lengths = pad(features[name], schema.modalities[name])
        inputs["features"][name], inputs["lengths"][name] = padded, lengths
    if schema.reading.whole_dialogues:
        count = len(next(iter(features.values())))
        ends = np.cumsum(dialogues if dialogues is not None else [1] * count)
        parts = [part.tolist() for part in np.split(np.arange(count), ends[:-1])]
        for name in schema.read_in_dialogues:
            arrays, spec, past = features[name], schema.modalities[name], schema.reading.past
            reader = DialogueReader(
                arrays.__getitem__, _nobody, schema.limits.get(name), spec.pad, past=past
            )
            put_reading(inputs, name, reader.read(parts), past=past)
        number = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        inputs["talk"] = {"dialogue": number, "speaker": np.zeros_like(number)}
    return inputs


def _nobody(_: int) -> NDArray[np.int64]:
    return np.empty(0, np.int64)


def put_reading(inputs: dict[str, Any], name: str, reading: DialogueReading, *, past: bool) -> None:
    """Puts what is read of a modality into what a model is called with.

    Args:
        inputs: has ``features`` and ``lengths``, and gets ``windows``.
        name: the modality.
        reading: of the batch.
        past: whether nothing later is read.
    """
    inputs["features"][name] = reading.tokens
    inputs["lengths"][name] = reading.own[:, 2].copy()
    inputs.setdefault("windows", {})[name] = {
        "own": reading.own,
        "lengths": reading.lengths,
        **({"turns": reading.turns} if past else {}),
    }


def pad(
    arrays: Sequence[NDArray[Any]], spec: ModalitySpec | None = None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Stacks the rows of one modality to one array, and tells their lengths (B,).

    Args:
        arrays: one row an entry, (T_i, *item).
        spec: of the modality; None: features.

    Returns:
        (B, max(T), d) float32 features, zeros behind each end; (B, max(T)) int64 tokens, the
        padding id behind each end; or (B, max(T), side, side, 3) uint8 frames. A batch in which
        every length is 0 gets T = 1.
    """
    lengths = np.array([len(array) for array in arrays])
    longest = max(1, int(lengths.max()))
    shape = (len(arrays), longest, *arrays[0].shape[1:])
    if spec is None or spec.kind == "features":
        padded: NDArray[Any] = np.zeros(shape, np.float32)
    else:
        padded = np.full(shape, spec.pad, KINDS[spec.kind].batch)
    for target, array in zip(padded, arrays, strict=True):
        target[: len(array)] = array
    return padded, lengths
