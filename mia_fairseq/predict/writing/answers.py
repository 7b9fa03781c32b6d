"""What a model says of utterances, and how it is written down: a table, JSON or CSV.

Every utterance has its answer. Where nothing could be made of one, its prediction is null (an empty
cell), its status `FAILED`, and the reason stands beside it. In CSV, names and words that a
spreadsheet would take for formulas are marked as text.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mia_fairseq.data.format.labels import SENTIMENT_RANGE
from mia_fairseq.data.formula_cells import escaped

FORMATS = ("table", "json", "csv")
OK, PARTIAL, FAILED = "ok", "partial", "failed"  # all there; some modality missing; no prediction
Cell = str | float | None


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
        start: seconds within the file, where a part of it is meant.
        end: likewise.
        faces: the share of its keyframes in which a face is found; None where nobody looked, or it
            has no pictures.
        contributions: what `mia_fairseq.predict.contributions` tells, where it was asked for.
        scale: the ends of the scores that the model learnt; shown on the page, not written.
    """

    id: str
    value: float | str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    text: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    label: float | str | None = None
    further: dict[str, float | str] = field(default_factory=dict)
    reason: str = ""
    start: float | None = None
    end: float | None = None
    faces: float | None = None
    contributions: dict[str, Any] = field(default_factory=dict)
    scale: tuple[float, float] = SENTIMENT_RANGE

    @property
    def status(self) -> str:
        """One of `OK`, `PARTIAL` and `FAILED`."""
        if self.value is None:
            return FAILED
        return PARTIAL if self.missing else OK

    @property
    def by_model(self) -> dict[str, "Prediction"]:
        """As `ClipAnswers` has it: of the one model."""
        return {"": self}

    @property
    def lacks(self) -> str:
        """What it lacks, or why there is no prediction, in words."""
        told = "; ".join(f"{name}: {why}" for name, why in self.missing.items())
        return told or self.reason

    def without_answer(self, reason: str) -> "Prediction":
        """The same utterance, of which nothing can be said, and why."""
        return Prediction(
            self.id,
            text=self.text,
            missing=self.missing,
            label=self.label,
            reason=reason,
            start=self.start,
            end=self.end,
            faces=self.faces,
        )

    def to_json(self) -> dict[str, Any]:
        """All that there is; ``prediction`` and ``status`` always."""
        content = {"id": self.id, "prediction": self.value, "status": self.status}
        more = {key: item for key, item in vars(self).items() if item not in (None, {})}
        kept = {"reason": self.reason} if self.reason else {}
        others = {k: more[k] for k in more if k not in ("value", "reason", "scale")}
        return {**content, **others, **kept}


class ClipAnswer(Protocol):
    """What `render` reads: a `Prediction`, or the `ClipAnswers` of several models."""

    @property
    def id(self) -> str:
        """Of the clip or row."""

    @property
    def text(self) -> str | None:
        """The words that were used."""

    @property
    def start(self) -> float | None:
        """Seconds within the file, where a part of it is meant."""

    @property
    def end(self) -> float | None:
        """Likewise."""

    @property
    def faces(self) -> float | None:
        """The share of its keyframes with a face; None where nobody looked, or it has none."""

    @property
    def status(self) -> str:
        """One of `OK`, `PARTIAL` and `FAILED`."""

    @property
    def reason(self) -> str:
        """Why there is no prediction."""

    @property
    def lacks(self) -> str:
        """What it lacks, or why there is no prediction, in words."""

    @property
    def by_model(self) -> dict[str, "Prediction"]:
        """What each model tells -> its prediction; '' for the only one."""

    def to_json(self) -> dict[str, Any]:
        """All that there is."""


def render(answers: Sequence[ClipAnswer], how: str) -> str:
    """Answers as a table for people, as JSON, or as CSV."""
    if how == "json":
        return json.dumps([answer.to_json() for answer in answers], indent=2, allow_nan=False)
    rows = table_of(answers)
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


def table_of(answers: Sequence[ClipAnswer]) -> list[list[Cell]]:
    """A header and a row an answer: names and words, numbers, or None where there is none."""
    timed = any(answer.start is not None for answer in answers)
    models = list(dict.fromkeys(name for answer in answers for name in answer.by_model))
    columns = {name: [answer.by_model[name] for answer in answers] for name in models}
    header: list[Cell] = ["id", *(("start", "end") if timed else ())]
    rows: list[list[Cell]] = [
        [answer.id, *((answer.start, answer.end) if timed else ())] for answer in answers
    ]
    for name, by_model in columns.items():
        names, cells = _columns(name, by_model)
        header += names
        for row, more in zip(rows, cells, strict=True):
            row += more
    seen = any(answer.faces is not None for answer in answers)
    for row, answer in zip(rows, answers, strict=True):
        row += [*((answer.faces,) if seen else ()), answer.text or "", answer.status, answer.lacks]
    return [[*header, *(("faces",) if seen else ()), "text", "status", "missing"], *rows]


def _columns(model: str, by_model: Sequence[Prediction]) -> tuple[list[Cell], list[list[Cell]]]:
    """The columns of one model, '' for the only one, and their cells."""
    shares = list(dict.fromkeys(name for one in by_model for name in one.probabilities))
    others = list(dict.fromkeys(name for one in by_model for name in one.further))
    gave = [one.contributions for one in by_model]
    changed = list(dict.fromkeys(name for one in gave for name in one.get("modalities", ())))
    worded = any(one.get("words") for one in gave)
    of = f"{model}_" if model else ""
    names: list[Cell] = [model or "prediction", *(f"p_{of}{name}" for name in shares)]
    names += [f"{of}{name}" for name in others]
    names += [f"change_{of}{name}" for name in changed]
    names += [f"change_{of}words"] * worded
    cells: list[list[Cell]] = []
    for one in by_model:
        numbers: Mapping[str, float | str] = one.further
        changes: Mapping[str, float] = one.contributions.get("modalities", {})
        words = one.contributions.get("words", ())
        told = "; ".join(f"{found['word']} {found['change']:+.3f}" for found in words)
        row: list[Cell] = [one.value, *map(one.probabilities.get, shares)]
        row += [*map(numbers.get, others), *map(changes.get, changed), *([told] * worded)]
        cells.append(row)
    return names, cells


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3f}"
