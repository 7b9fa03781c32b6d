"""What a model says of utterances, and how it is written down: a table, JSON or CSV.

Every utterance has its answer. Where nothing could be made of one, its prediction is null (an empty
cell), its status `FAILED`, and the reason stands beside it. In CSV, names and words that a
spreadsheet would take for formulas are marked as text.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mia_fairseq.data.format.formula_cells import escaped

FORMATS = ("table", "json", "csv")
OK, PARTIAL, FAILED = "ok", "partial", "failed"  # all there; some modality missing; no prediction


@dataclass
class Prediction:
    """What the model says of one utterance.

    Attributes:
        id: the clip's path, or the row's id.
        value: the score, the most probable class, or the labels such as ``happy+sad``; None where
            nothing could be made of the utterance.
        probabilities: of each class or label; empty for scores.
        text: the words that were used.
        missing: for each modality that was taken as missing, why.
        label: the true label, where it is known.
        further: what is predicted of each further label that the model learnt.
        reason: why there is no prediction; '' where there is one.
    """

    id: str
    value: float | str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    text: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    label: float | str | None = None
    further: dict[str, float | str] = field(default_factory=dict)
    reason: str = ""

    @property
    def status(self) -> str:
        """One of `OK`, `PARTIAL` and `FAILED`."""
        if self.value is None:
            return FAILED
        return PARTIAL if self.missing else OK

    def without_answer(self, reason: str) -> "Prediction":
        """The same utterance, of which nothing can be said, and why."""
        return Prediction(
            self.id, text=self.text, missing=self.missing, label=self.label, reason=reason
        )

    def to_json(self) -> dict[str, Any]:
        """All that there is; ``prediction`` and ``status`` always."""
        content = {"id": self.id, "prediction": self.value, "status": self.status}
        more = {key: item for key, item in vars(self).items() if item not in (None, {})}
        kept = {"reason": self.reason} if self.reason else {}
        return {**content, **{k: more[k] for k in more if k not in ("value", "reason")}, **kept}


def render(predictions: Sequence[Prediction], how: str) -> str:
    """Predictions as a table for people, as JSON, or as CSV."""
    if how == "json":
        answers = [prediction.to_json() for prediction in predictions]
        return json.dumps(answers, indent=2, allow_nan=False)
    rows = table_of(predictions)
    if how == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(
            [escaped(cell) if isinstance(cell, str) else _cell(cell) for cell in row]
            for row in rows
        )
        return out.getvalue().rstrip("\n")
    cells = [[" ".join(_cell(cell).split()) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def table_of(predictions: Sequence[Prediction]) -> list[list[str | float | None]]:
    """A header and a row a prediction: names and words, numbers, or None where there is none."""
    shares = list(dict.fromkeys(name for one in predictions for name in one.probabilities))
    others = list(dict.fromkeys(name for one in predictions for name in one.further))
    rows: list[list[str | float | None]] = [
        ["id", "prediction", *(f"p_{name}" for name in shares), *others]
    ]
    rows[0] += ["text", "status", "missing"]
    for one in predictions:
        missing = "; ".join(f"{name}: {why}" for name, why in one.missing.items())
        numbers = [*map(one.probabilities.get, shares), *map(one.further.get, others)]
        rows.append([one.id, one.value, *numbers, one.text or "", one.status])
        rows[-1].append(missing or one.reason)
    return rows


def _cell(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3f}"
