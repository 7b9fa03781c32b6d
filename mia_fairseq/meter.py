"""Collects a whole split's predictions and computes its metrics once.

fairseq reduces metrics batch by batch; a mean of batches' F1 or correlations is no F1 and no
correlation. So batches ship their rows, and the figures are computed when every row has come.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.store import Split
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole
from mia_fairseq.metrics import classification_metrics, score_metrics
from mia_fairseq.multilabel_metrics import (
    UNCHOSEN,
    choose_thresholds,
    each_share,
    multilabel_metrics,
    several,
)

RESULTS_FORMAT = 1


@dataclass(frozen=True)
class BatchRows:
    """What one batch contributes.

    Row numbers (b,), outputs (b,) scores or (b, k) logits, and (b, k) of each further label; and
    the fusion's parts (b, ...), such as its gates.
    """

    split: str
    rows: NDArray[np.int64]
    outputs: NDArray[np.float32]
    further: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    parts: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __repr__(self) -> str:  # progress bars print it
        return f"{len(self.rows)} rows"


class WholeSplitMeter:
    """The outputs of one split, filled batch by batch in any order.

    Args:
        split: the rows.
        label: what their labels are.
        thresholds: from which probability on each of several labels is predicted; those of
            further labels as ``FURTHER/NAME``.
        further: kinds of further labels, by name.
    """

    def __init__(
        self,
        split: Split,
        label: LabelSpec,
        thresholds: Mapping[str, float] | None = None,
        further: Mapping[str, LabelSpec] | None = None,
    ) -> None:
        self.split, self.label, self.thresholds = split, label, thresholds or {}
        shape = (len(split), label.outputs) if label.names else (len(split),)
        self.outputs = np.zeros(shape, np.float32)
        self.further = dict(further or {})
        self.further_outputs = {
            name: np.zeros((len(split), spec.outputs), np.float32)
            for name, spec in self.further.items()
        }
        self._part_sums: dict[str, NDArray[np.float64]] = {}
        self.times_seen = np.zeros(len(split), np.int64)

    def add(self, batch: BatchRows) -> None:
        self.outputs[batch.rows] = batch.outputs
        for name, outputs in self.further_outputs.items():
            outputs[batch.rows] = batch.further[name]
        for name, values in batch.parts.items():
            total = self._part_sums.get(name, np.float64(0)) + values.sum(axis=0, dtype=np.float64)
            self._part_sums[name] = np.asarray(total)
        np.add.at(self.times_seen, batch.rows, 1)

    @property
    def complete(self) -> bool:
        return bool((self.times_seen == 1).all())

    def check(self) -> None:
        """Raises `InputError` unless every row was seen exactly once."""
        if self.complete:
            return
        name, size = self.split.name, len(self.split)
        lost = np.flatnonzero(self.times_seen == 0)
        again = np.flatnonzero(self.times_seen > 1)
        first = self.split.rows[int((lost if len(lost) else again)[0])].id
        raise InputError(
            f"evaluation of {name!r} saw {size - len(lost)} of its {size} rows and "
            f"{len(again)} more than once (the first: {first!r}), expected each once; "
            "leave out --max-valid-steps and options that skip rows"
        )

    def metrics(self) -> dict[str, Any]:
        """The metrics of the kind of label, such as `score_metrics`.

        Under ``further`` are those of each further label, over the rows that have it.

        Raises:
            InputError: a row is lost, seen twice, or its output is NaN or Inf.
        """
        self.check()
        finite = np.isfinite(self.outputs.reshape(len(self.split), -1)).all(axis=1)
        if not finite.all():
            row = self.split.rows[int(np.flatnonzero(~finite)[0])]
            raise InputError(
                f"the output for row {row.id!r} of {self.split.name!r} is NaN or Inf; training "
                "has diverged, lower --lr or clip gradients with --clip-norm"
            )
        return self._figures(np.ones(len(self.split), bool))

    def metrics_by_corpus(self) -> dict[str, dict[str, Any]]:
        """The same of each corpus's own rows; nothing where the rows have no corpus."""
        corpora = np.array([row.corpus or "" for row in self.split.rows])
        return {str(name): self._figures(corpora == name) for name in np.unique(corpora) if name}

    def _figures(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        """Of the chosen rows (rows of the split,)."""
        truth, outputs = self.split.labels[rows], self.outputs[rows]
        found = metrics_of(self.label, outputs, truth, self.thresholds)
        further = {}
        for name, spec in self.further.items():
            outputs, truth = self._known(name, rows)
            cuts = {n: self.thresholds.get(f"{name}/{n}", UNCHOSEN) for n in spec.names}
            if len(truth):  # else none of the rows has it
                further[name] = without_nan(metrics_of(spec, outputs, truth, cuts))
        return {**found, "further": further} if self.further else found

    def _known(
        self, name: str, rows: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Outputs and truth of a further label, of those of the rows that have it."""
        truth = self.split.rows.further[name]
        known = np.isfinite(truth) & rows
        outputs = self.further_outputs[name][known]
        return outputs if self.further[name].names else outputs[:, 0], truth[known]

    def chosen_thresholds(self) -> dict[str, float]:
        """The threshold of each of several labels that does best on this split."""
        everyone = np.ones(len(self.split), bool)
        known = {"": (self.label, self.outputs, self.split.labels)}
        known |= {
            f"{name}/": (spec, *self._known(name, everyone)) for name, spec in self.further.items()
        }
        return {
            prefix + name: cut
            for prefix, (spec, outputs, truth) in known.items()
            if spec.kind == "multilabel" and len(truth)
            for name, cut in choose_thresholds(
                each_share(outputs), spec.targets(truth), spec.names
            ).items()
        }

    def part_means(self) -> dict[str, Any]:
        """What the fusion names, such as gates or routing weights: means over the rows."""
        return {n: np.round(s / len(self.split), 6).tolist() for n, s in self._part_sums.items()}

    def write_results(self, path: str | Path, about: Mapping[str, Any]) -> None:
        """Writes the metrics as JSON; NaN becomes null."""
        corpora = {name: without_nan(own) for name, own in self.metrics_by_corpus().items()}
        results = {
            "format": RESULTS_FORMAT,
            **about,
            "split": self.split.name,
            **without_nan(self.metrics()),
            **({"corpora": corpora} if corpora else {}),
        }
        write_whole(Path(path), json.dumps(results, indent=2, allow_nan=False) + "\n")

    def write_predictions(self, path: str | Path) -> None:
        """Writes one row an utterance: id, label, prediction, and probabilities by name."""
        lines = ["\t".join(["id", "label", "prediction", *(f"p_{n}" for n in self.label.names)])]
        if self.label.kind == "multilabel":
            shares = each_share(self.outputs)
            predicted = several(shares, self.label.names, self.thresholds)
        elif self.label.kind == "classes":
            shifted = np.exp(self.outputs - self.outputs.max(axis=1, keepdims=True))
            shares = shifted / shifted.sum(axis=1, keepdims=True)
            predicted = self.outputs.argmax(axis=1).astype(np.float64)
        else:
            shares = np.empty((len(self.split), 0))
            predicted = self.outputs.astype(np.float64)
        for row, value, probabilities in zip(self.split.rows, predicted, shares, strict=True):
            cells = [row.id, self.label.format(row.label), self.label.format(value)]
            lines.append("\t".join(cells + [f"{share:.6g}" for share in probabilities]))
        write_whole(Path(path), "\n".join(lines) + "\n")


def metrics_of(
    label: LabelSpec,
    outputs: NDArray[np.floating[Any]],
    truth: NDArray[np.float64],
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The metrics of labels of one kind.

    Args:
        label: the kind.
        outputs: (n,) scores or (n, k) logits.
        truth: (n,) labels as numbers.
        thresholds: of each of several labels; 0.5 for those it leaves out.
    """
    if label.kind == "regression":
        return score_metrics(label, outputs, truth)
    if label.kind == "multilabel":
        targets = label.targets(truth)
        return multilabel_metrics(each_share(outputs), targets, label.names, thresholds)
    return classification_metrics(outputs.argmax(axis=1), truth, label.names)


def without_nan(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics as JSON holds them: what is undefined is None."""

    def known(value: Any) -> bool:
        return not (isinstance(value, float) and np.isnan(value))

    return {name: value if known(value) else None for name, value in metrics.items()}
