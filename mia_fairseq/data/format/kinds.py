"""The kinds of modalities: what one moment of each is, on disk and in a batch.

``features``: dim numbers; ``tokens``: the number of a token in a dictionary of dim; ``frames``: an
RGB picture of dim pixels a side. A row of any kind is a sequence of T such items.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Kind:
    """What the items of a modality are.

    Attributes:
        name: as ``meta.json`` has it.
        extracted: dtypes of the arrays that extractors write, the default first.
        batch: dtype in a batch.
    """

    name: str
    extracted: tuple[str, ...]
    batch: type[np.generic]

    def item_shape(self, dim: int) -> tuple[int, ...]:
        """Shape of one item, so that a row is (T, *item_shape)."""
        return {"features": (dim,), "tokens": (), "frames": (dim, dim, 3)}[self.name]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("features", ("float32", "float16"), np.float32),
        Kind("tokens", ("int32",), np.int64),
        Kind("frames", ("uint8",), np.uint8),
    )
}

DTYPES = KINDS["features"].extracted  # that features may be stored in
