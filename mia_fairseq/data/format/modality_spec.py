"""What is known of one modality of a corpus: its kind, the size of its items, who made them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.dictionary import DICTIONARIES
from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.errors import InputError

MOST_COLUMNS = 2**31 - 1


@dataclass(frozen=True)
class ModalitySpec:
    """One modality of a corpus: its kind, the size of its items, and who made them.

    Attributes:
        dim: columns of features, size of the tokens' dictionary, or pixels of a frame's side.
        extractor: who made them.
        kind: a name of `KINDS`.
        extra: what else is known; of tokens ``pad`` (the id that fills up batches), ``dictionary``
            (a name of `DICTIONARIES`) and ``tokenizer`` (what made them, with its sha256).
    """

    dim: int
    extractor: str = "unknown"
    kind: str = "features"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one item; a row is (T, *item_shape)."""
        return KINDS[self.kind].item_shape(self.dim)

    @property
    def pad(self) -> int:
        """What fills a batch behind a row's end: 0, or the tokens' padding id."""
        return int(self.extra["pad"]) if self.kind == "tokens" else 0

    def absent(self) -> NDArray[Any]:
        """(0, *item_shape): a row without the modality, in the dtype of batches."""
        return np.empty((0, *self.item_shape), KINDS[self.kind].batch)

    def to_json(self) -> dict[str, Any]:
        return {**self.extra, "kind": self.kind, "dim": self.dim, "extractor": self.extractor}

    @classmethod
    def from_json(cls, value: object, where: str) -> "ModalitySpec":
        if not isinstance(value, Mapping) or str(value.get("kind")) not in KINDS:
            raise InputError(
                f"{where}: a modality of {value!r} cannot be read by this version, which reads "
                f"kinds {', '.join(KINDS)}; import the data again or update mia_fairseq"
            )
        dim, kind = value.get("dim"), str(value["kind"])
        if type(dim) is not int or not 0 < dim <= MOST_COLUMNS:
            raise InputError(f"{where}: dim is {dim!r}, expected a whole number from 1 up")
        extra = {k: v for k, v in value.items() if k not in ("kind", "dim", "extractor")}
        if kind == "tokens":
            pad, dictionary = extra.get("pad"), extra.get("dictionary")
            if not isinstance(pad, int) or not 0 <= pad < dim:
                raise InputError(
                    f"{where}: pad is {pad!r}, expected an id from 0 to {dim - 1}; make the "
                    "tokens again"
                )
            if str(dictionary) not in DICTIONARIES:
                raise InputError(
                    f"{where}: dictionary is {dictionary!r}, expected "
                    f"{' or '.join(DICTIONARIES)}; make the tokens again"
                )
        return cls(dim, str(value.get("extractor", "unknown")), kind, extra)


def checked_row(
    name: str, spec: ModalitySpec, array: NDArray[Any] | None, dtype: np.dtype[Any], where: str
) -> NDArray[Any]:
    """One row as it is stored.

    Args:
        name: of the modality.
        spec: its kind and dim.
        array: (T, *item_shape); None is a row of length 0.
        dtype: of what is stored.
        where: the row, for errors.

    Returns:
        (T, *item_shape) in ``dtype``; T = 0 for None.

    Raises:
        InputError: a wrong shape, numbers that are not finite in ``dtype``, or tokens that the
            dictionary does not have.
    """
    if array is None:
        return np.empty((0, *spec.item_shape), dtype)
    array = np.asarray(array)
    if array.ndim == len(spec.item_shape):  # one item by itself
        array = array[None]
    if array.shape[1:] != spec.item_shape:
        expected = ", ".join(map(str, ("time", *spec.item_shape)))
        raise InputError(
            f"{where}: {name} has shape {array.shape}, expected ({expected}); "
            "mend the row or the modality's dim"
        )
    if spec.kind != "features" and array.dtype.kind not in "iu":
        raise InputError(
            f"{where}: {name} holds {array.dtype}, expected whole numbers; mend the row"
        )
    if spec.kind != "features" and len(array):
        highest = spec.dim - 1 if spec.kind == "tokens" else 255
        if array.min() < 0 or array.max() > highest:
            raise InputError(
                f"{where}: {name} holds {array.min()} to {array.max()}, expected numbers from 0 to "
                f"{highest}; make the {spec.kind} again with what meta.json says"
            )
    if spec.kind == "features" and array.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: {name} holds {array.dtype}, expected real numbers; mend the row"
        )
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(array, dtype=dtype)
    if spec.kind == "features" and not np.isfinite(stored).all():
        raise InputError(
            f"{where}: {name} holds NaN or Inf as {dtype}, expected finite "
            "numbers; mend the row or leave the modality out for it"
        )
    return stored
