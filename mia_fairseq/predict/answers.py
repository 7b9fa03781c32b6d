"""What a model says of utterances, and how it is written down: a table, JSON or CSV."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

FORMATS = ("table", "json", "csv")


@dataclass
class Prediction:
    """What the model says of one utterance.

    Attributes:
        id: the clip's path, or the row's id.
        value: the score, the most probable class, or the labels such as ``happy+sad``.
        probabilities: of each class or label; empty for scores.
        text: the words that were used.
        missing: for each modality that was taken as missing, why.
        label: the true label, where it is known.
        further: what is predicted of each further label that the model learnt.
    """

    id: str
    value: float | str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    text: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    label: float | str | None = None
    further: dict[str, float | str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        content = {"id": self.id, "prediction": self.value, **vars(self)}
        return {k: v for k, v in content.items() if k != "value" and v not in (None, {})}


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


def render(predictions: Sequence[Prediction], how: str) -> str:
    """Predictions as a table for people, as JSON, or as CSV."""
    if how == "json":
        return json.dumps([prediction.to_json() for prediction in predictions], indent=2)
    shares = list(predictions[0].probabilities)
    others = list(predictions[0].further)
    header = ["id", "prediction", *(f"p_{name}" for name in shares), *others, "text", "missing"]
    lines = []
    for prediction in predictions:
        cells = [prediction.id, _cell(prediction.value)]
        cells += [f"{prediction.probabilities[name]:.3f}" for name in shares]
        cells += [_cell(prediction.further[name]) for name in others]
        missing = "; ".join(f"{name}: {why}" for name, why in prediction.missing.items())
        lines.append([*cells, prediction.text or "", missing])
    if how == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *lines])
        return out.getvalue().rstrip("\n")
    rows = [header, *lines]
    widths = [max(len(row[place]) for row in rows) for place in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
