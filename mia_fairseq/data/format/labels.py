"""What a label may be: a score within a range, one of named classes, or any number of them.

The corpora's own facts (ranges, class order) are here too, so that nobody writes them twice.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mia_fairseq.errors import InputError

SENTIMENT_RANGE = (-3.0, 3.0)  # CMU-MOSI and CMU-MOSEI, Sec. 4.1
SIMS_RANGE = (-1.0, 1.0)  # CH-SIMS, Yu et al., ACL 2020, Sec. 3.2
SEVEN_SCORES = tuple(str(score) for score in range(-3, 4))  # a score rounded to seven classes
MELD_CLASSES = (  # in the order of the paper's Table 3
    "neutral",
    "sadness",
    "anger",
    "joy",
    "surprise",
    "fear",
    "disgust",
)
MOSEI_EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")  # as the SDK has them
FURTHER = "label."  # what columns of further labels begin with
SEPARATOR, NO_LABEL = "+", "-"  # how several labels stand in a cell
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
MOST_LABELS = 52  # 2^52 is exact as a float


def one_line(value: object) -> str:
    """A value as tables hold it: every run of whitespace is one space, none at the ends."""
    return " ".join(str(value).split())


def is_number(text: str) -> bool:
    """Whether a text is a finite number as tables have it: Python's 1_000 and nan are none."""
    return bool(NUMBER.fullmatch(text.strip())) and math.isfinite(float(text))


@dataclass(frozen=True)
class LabelSpec:
    """The kind of label a corpus has.

    Attributes:
        kind: ``"regression"`` (scores), ``"classes"``, or ``"multilabel"`` (any of them at once).
        minimum, maximum: the range of scores, in the corpus's own unit; unused for names.
        names: the classes or labels in their order; empty for scores.

    A label is one number: the score, the class's place, or for several labels the sum of 2^place.
    """

    kind: Literal["regression", "classes", "multilabel"]
    minimum: float = SENTIMENT_RANGE[0]
    maximum: float = SENTIMENT_RANGE[1]
    names: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Numbers that a model puts out for one utterance."""
        return max(len(self.names), 1)

    def targets(self, values: ArrayLike) -> NDArray[Any]:
        """What losses and metrics compare with, of labels (n,).

        Float32 scores (n,), int64 classes (n,), or float32 zeros and ones (n, k).
        """
        if self.kind == "regression":
            return np.asarray(values, np.float32)
        numbers = np.asarray(values, np.float64).astype(np.int64)
        if self.kind == "classes":
            return numbers
        return (numbers[:, None] >> np.arange(self.outputs) & 1).astype(np.float32)

    def parse(self, text: str, where: str) -> float:
        """Reads one label as a number; several are ``happy+sad``, none of them is ``-``.

        Raises:
            InputError: the text is no score in range, or no known name.
        """
        if self.kind == "multilabel":
            return self._parse_several(text, where)
        if self.kind == "classes":
            if text not in self.names:
                raise InputError(
                    f"{where}: label {text!r} is none of the classes {', '.join(self.names)}; "
                    f"mend the label or give the full list of classes"
                )
            return float(self.names.index(text))
        score = float(text) if is_number(text) else math.nan
        if not self.minimum <= score <= self.maximum:  # NaN fails this too
            raise InputError(
                f"{where}: label {text!r} is no score between {self.minimum:g} and "
                f"{self.maximum:g}; mend the label or the range"
            )
        return score + 0.0  # -0 is 0

    def format(self, value: float) -> str:
        """Writes one label as the tables hold it; the inverse of `parse`."""
        if self.kind == "multilabel":
            (ones,) = self.targets([value])
            return SEPARATOR.join(np.array(self.names)[ones == 1]) or NO_LABEL
        return self.names[int(value)] if self.kind == "classes" else f"{value:.9g}"

    def _parse_several(self, text: str, where: str) -> float:
        found = [] if text == NO_LABEL else text.split(SEPARATOR)
        wrong = [name for name in found if name not in self.names or found.count(name) > 1]
        if wrong:
            raise InputError(
                f"{where}: label {text!r} has {wrong[0]!r}, expected {NO_LABEL!r} for none, or any "
                f"of {', '.join(self.names)}, each once, joined by {SEPARATOR!r}"
            )
        return float(sum(1 << self.names.index(name) for name in found))

    def to_json(self) -> dict[str, Any]:
        """The ``label`` entry of ``meta.json``."""
        if self.names:
            return {"kind": self.kind, "names": list(self.names)}
        return {"kind": "regression", "min": self.minimum, "max": self.maximum}

    @classmethod
    def from_json(cls, value: object, where: str) -> "LabelSpec":
        """Reads the ``label`` entry of ``meta.json``.

        Raises:
            InputError: the entry is neither a range nor a list of different names.
        """
        if isinstance(value, Mapping) and value.get("kind") in ("classes", "multilabel"):
            names, kind = value.get("names"), value["kind"]
            if (
                isinstance(names, list)
                and len(set(map(str, names))) == len(names) > 1
                and all(isinstance(name, str) and name for name in names)
                and (kind == "classes" or can_be_joined(names))
            ):
                return cls(kind, names=tuple(names))
        if isinstance(value, Mapping) and value.get("kind") == "regression":
            low, high = value.get("min"), value.get("max")
            if isinstance(low, int | float) and isinstance(high, int | float) and low < high:
                return cls("regression", float(low), float(high))
        raise InputError(
            f"{where}: label is {value!r}, expected "
            '{"kind": "regression", "min": a, "max": b} with a < b or '
            '{"kind": "classes" or "multilabel", "names": [two or more different names]}; import '
            "the data again"
        )


def can_be_joined(names: Sequence[str]) -> bool:
    """Whether several of the names can stand in one cell, and their sum of 2^place be exact."""
    return len(names) <= MOST_LABELS and not any(
        SEPARATOR in name or name == NO_LABEL for name in names
    )
