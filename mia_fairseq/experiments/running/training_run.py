"""A run: one training and its evaluations, as a folder and as plain commands.

The folder holds checkpoints while it trains, and in the end ``valid.json``, ``test.json``,
``test.tsv`` and ``tensorboard/``; ``run.json`` and ``test.about.json`` say what made them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mia_fairseq.experiments.running.identity import described, holds

PLUGIN = ("--user-dir", "mia_fairseq", "--task", "multimodal_affect")


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a run's best checkpoint.

    Attributes:
        name: of the files it writes.
        split: the split it reads.
        flags: of fairseq-validate, beyond the plugin's own.
        data: another DATA folder than the run's own.
    """

    name: str
    split: str
    flags: tuple[str, ...] = ()
    data: Path | None = None


VALID, TEST = Evaluation("valid", "valid"), Evaluation("test", "test")


@dataclass(frozen=True)
class Run:
    """One training and its evaluations.

    Attributes:
        name: of the row in tables.
        data: the DATA folder.
        flags: of fairseq-train, beyond the plugin's own and those of this file.
        seed: of fairseq-train.
        root: the folder that holds all runs.
        evaluations: what is done with the best checkpoint.
        title: what messages call it, where that is not its name.
        folds: of a cross-validation: it is one run a fold, their rows pooled (see pooled_folds.py).
    """

    name: str
    data: Path
    flags: tuple[str, ...]
    seed: int
    root: Path
    evaluations: tuple[Evaluation, ...] = (VALID, TEST)
    title: str = ""
    folds: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.title or self.name}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        return self.root / self.name.replace(" ", "_") / f"seed{self.seed}"

    @property
    def parts(self) -> "dict[int, Run]":
        """The run of each fold, which stands for ``{fold}``; they lie beside the pooled one."""
        return {
            fold: replace(
                self,
                name=f"{self.name}/fold{fold}",
                flags=(*(f.replace("{fold}", str(fold)) for f in self.flags), "--fold", str(fold)),
                title=f"{self.title or self.name}, fold {fold}",
                folds=(),
            )
            for fold in self.folds
        }

    @property
    def trained(self) -> bool:
        return holds(self.folder / "run.json", self.describe())

    @property
    def finished(self) -> bool:
        return self.trained and not self.open_evaluations()

    def open_evaluations(self) -> list[Evaluation]:
        """Those that have no results yet, or results of other flags or data."""
        return [e for e in self.evaluations if not self._evaluated(e)]

    def _evaluated(self, evaluation: Evaluation) -> bool:
        about = self.folder / f"{evaluation.name}.about.json"
        if not (self.folder / f"{evaluation.name}.json").is_file():
            return False
        return not about.is_file() or holds(about, self.describe_evaluation(evaluation))

    def describe(self) -> dict[str, Any]:
        """What makes this run: with other flags, data or named files it is another run.

        Of files that its flags name (a checkpoint, a teacher's table) the content counts.
        """
        folds = {"folds": list(self.folds)} if self.folds else {}
        return {**described(self.data, self.flags), "seed": self.seed, **folds}

    def describe_evaluation(self, evaluation: Evaluation) -> dict[str, Any]:
        """What makes an evaluation of this run."""
        made_of = described(evaluation.data or self.data, evaluation.flags)
        return {**made_of, "split": evaluation.split}

    def results(self, evaluation: str) -> dict[str, Any]:
        """The metrics of a finished run."""
        loaded: dict[str, Any] = json.loads((self.folder / f"{evaluation}.json").read_text())
        return loaded


def different_runs(runs: Sequence[Run]) -> list[Run]:
    """Each folder's run once, with the evaluations of all that share it."""
    found: dict[Path, Run] = {}
    for run in runs:
        known = found.setdefault(run.folder, run)
        evaluations = tuple(dict.fromkeys((*known.evaluations, *run.evaluations)))
        found[run.folder] = replace(known, evaluations=evaluations)
    return list(found.values())


def with_seed(flags: Sequence[str], seed: int) -> tuple[str, ...]:
    """Flags with a run's seed for ``{seed}``, as in the checkpoint of another run."""
    return tuple(flag.replace("{seed}", str(seed)) for flag in flags)


def train_command(run: Run) -> list[str]:
    """The plain fairseq-train command of a run."""
    return [
        *("fairseq-train", str(run.data), *PLUGIN, *run.flags, "--seed", str(run.seed)),
        *("--save-dir", str(run.folder), "--tensorboard-logdir", str(run.folder / "tensorboard")),
    ]


def validate_command(run: Run, evaluation: Evaluation) -> list[str]:
    """The plain fairseq-validate command of one evaluation of a run."""
    return [
        *("fairseq-validate", str(evaluation.data or run.data), *PLUGIN, *evaluation.flags),
        *("--path", str(run.folder / "checkpoint_best.pt"), "--valid-subset", evaluation.split),
        *("--results-json", str(run.folder / f"{evaluation.name}.json")),
        *("--predictions", str(run.folder / f"{evaluation.name}.tsv")),
    ]
