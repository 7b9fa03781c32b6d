"""What a label may be: a score within a range, or one of named classes.

The corpora's own facts (ranges, class order) are here too, so that nobody writes them twice.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mia_fairseq.errors import InputError

SENTIMENT_RANGE = (-3.0, 3.0)  # CMU-MOSI and CMU-MOSEI, Sec. 4.1
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


def one_line(value: object) -> str:
    """A value as the cells of tables hold it: every run of whitespace is one space, none at the
    ends."""
    return " ".join(str(value).split())


@dataclass(frozen=True)
class LabelSpec:
    """The kind of label a corpus has.

    Attributes:
        kind: ``"regression"`` (scores) or ``"classes"``.
        minimum, maximum: the range of scores, in the corpus's own unit; unused for classes.
        names: the classes in their order; empty for scores.
    """

    kind: Literal["regression", "classes"]
    minimum: float = SENTIMENT_RANGE[0]
    maximum: float = SENTIMENT_RANGE[1]
    names: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Numbers that a model puts out for one utterance."""
        return len(self.names) if self.kind == "classes" else 1

    def parse(self, text: str, where: str) -> float:
        """Reads one label: the score itself, or the index of the class as a float.

        Raises:
            InputError: the text is no score in range, or no known class.
        """
        if self.kind == "classes":
            if text not in self.names:
                raise InputError(
                    f"{where}: label {text!r} is none of the classes {', '.join(self.names)}; "
                    f"mend the label or give the full list of classes"
                )
            return float(self.names.index(text))
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not self.minimum <= score <= self.maximum:  # NaN fails this too
            raise InputError(
                f"{where}: label {text!r} is no score between {self.minimum:g} and "
                f"{self.maximum:g}; mend the label or the range"
            )
        return score

    def format(self, value: float) -> str:
        """Writes one label as the tables hold it; the inverse of `parse`."""
        return self.names[int(value)] if self.kind == "classes" else f"{value:.9g}"

    def to_json(self) -> dict[str, Any]:
        """The ``label`` entry of ``meta.json``."""
        if self.kind == "classes":
            return {"kind": "classes", "names": list(self.names)}
        return {"kind": "regression", "min": self.minimum, "max": self.maximum}

    @classmethod
    def from_json(cls, value: object, where: str) -> "LabelSpec":
        """Reads the ``label`` entry of ``meta.json``.

        Raises:
            InputError: the entry is neither a range nor a list of different names.
        """
        if isinstance(value, Mapping) and value.get("kind") == "classes":
            names = value.get("names")
            if (
                isinstance(names, list)
                and len(set(map(str, names))) == len(names) > 1
                and all(isinstance(name, str) and name for name in names)
            ):
                return cls("classes", names=tuple(names))
        if isinstance(value, Mapping) and value.get("kind") == "regression":
            low, high = value.get("min"), value.get("max")
            if isinstance(low, int | float) and isinstance(high, int | float) and low < high:
                return cls("regression", float(low), float(high))
        raise InputError(
            f"{where}: label is {value!r}, expected "
            '{"kind": "regression", "min": a, "max": b} with a < b or '
            '{"kind": "classes", "names": [two or more different names]}; import the data again'
        )
