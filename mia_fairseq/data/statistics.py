"""Statistics of many vectors, in one pass and little memory."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.vectors import Vectors

CHUNK = 2048  # vectors read at once; as float64 they still fit into a processor's cache


def in_chunks(vectors: Vectors) -> Iterator[NDArray[Any]]:
    """Cuts (n, d) vectors into pieces of at most `CHUNK`."""
    return (vectors[start : start + CHUNK] for start in range(0, len(vectors), CHUNK))


def column_moments(
    chunks: Iterable[NDArray[Any]], dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column, (d,) both, in one pass (Chan et al., 1979).

    The deviation is 0 for columns that do not vary but by rounding, and for no vectors at all.
    """
    count, mean, squares = 0, np.zeros(dim), np.zeros(dim)
    for chunk in chunks:
        if not len(chunk):
            continue
        values = np.array(chunk, dtype=np.float64)
        own_mean = values.mean(axis=0)
        values -= own_mean
        delta = own_mean - mean
        total = count + len(values)
        squares += np.einsum("nd,nd->d", values, values) + delta**2 * count * len(values) / total
        mean += delta * len(values) / total
        count = total
    deviation = np.sqrt(squares / max(count, 1))
    varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean, np.where(varies, deviation, 0.0)
