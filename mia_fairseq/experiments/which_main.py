"""Which modality should be main? The one that tells most alone, on validation."""

import shlex
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import PlannedRow
from mia_fairseq.experiments.running.training_run import PLUGIN


def recommend(planned: Sequence[PlannedRow]) -> str:
    """Ranks modalities by their unimodal runs and writes the command to train with.

    Args:
        planned: finished rows of one modality each, all on one DATA folder.
    """
    store = planned[0].store
    if any(entry.store.path != store.path for entry in planned):
        raise InputError("which_main ranks the modalities of one DATA folder; give one --data")
    scores = store.label.kind == "regression"
    metric = "mae" if scores else "weighted_f1"
    found = {
        entry.row.flags["main-modality"]: np.array(
            [run.results("valid")[metric] for run in entry.runs], float
        )
        for entry in planned
    }
    ranking = sorted(found, key=lambda name: found[name].mean() * (1 if scores else -1))
    lines = [f"{metric} on validation, each modality alone (mean ± deviation over seeds):", ""]
    lines += [f"| rank | modality | {metric} |", "| --- | --- | --- |"]
    for rank, name in enumerate(ranking, start=1):
        lines.append(f"| {rank} | {name} | {_spread(found[name])} |")
    if len(ranking) > 1 and _too_close(found[ranking[0]], found[ranking[1]]):
        lines += ["", f"{ranking[0]} and {ranking[1]} are too close to call: try both."]
    command = [
        *("fairseq-train", str(store.path), *PLUGIN, "--arch", "mia_net"),
        *("--criterion", _criterion(planned[0]), "--main-modality", ranking[0]),
        *("--aux-modalities", ",".join(ranking[1:]), "--lr", "1e-3", "--save-dir", "CKPT"),
    ]
    return "\n".join([*lines, "", "Recommended:", "", shlex.join(command)])


def _criterion(entry: PlannedRow) -> str:
    """The one that its runs were trained with."""
    flags = entry.runs[0].flags
    return flags[flags.index("--criterion") + 1]


def _spread(values: NDArray[np.float64]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def _too_close(best: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether the lead is within the larger of the two deviations over seeds."""
    if len(best) < 2:
        return False
    deviation = max(best.std(ddof=1), second.std(ddof=1))
    return bool(abs(best.mean() - second.mean()) <= deviation)
