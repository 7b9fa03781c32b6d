"""Results as Markdown tables: one row a model, mean ± standard deviation over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

REGRESSION_COLUMNS = ("mae", "corr", "acc7", "acc2_has0", "f1_has0", "acc2_non0", "f1_non0")
SIMS_COLUMNS = ("mae", "corr", "sims_acc2", "sims_f1", "sims_acc3", "sims_acc5")  # CH-SIMS's
CLASS_COLUMNS = ("accuracy", "weighted_f1", "macro_f1", "uar")
MULTILABEL_COLUMNS = ("accuracy", "weighted_accuracy", "weighted_f1", "macro_f1", "exact_match")
COST_COLUMNS = ("M parameters", "CPU s an epoch")  # of a model, so without a deviation


def summarize(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """A Markdown table.

    Args:
        rows: for each row's name, one dictionary of metrics a seed; costs, where it has them.
        more: further columns, by their heads: for each row's name the cell's text.

    Returns:
        The table; the deviation (n − 1) is there where a row has two seeds or more.
    """
    first = next(iter(rows.values()))[0]
    metrics = columns_of(first)
    # Older files have fewer.
    columns = [column for column in (*metrics, *COST_COLUMNS) if column in first]
    lines = [
        "| " + " | ".join(["model", "seeds", "n", *columns, *(more or {})]) + " |",
        "| --- |" + " --- |" * (len(columns) + 2 + len(more or {})),
    ]
    for name, seeds in rows.items():
        cells = [
            _cell([seed.get(column) for seed in seeds[: 1 if column in COST_COLUMNS else None]])
            for column in columns
        ]
        cells += [texts.get(name, "–") for texts in (more or {}).values()]
        lines.append(f"| {name} | {len(seeds)} | {seeds[0]['n']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def columns_of(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """What tables show of results with these metrics, before what they have of each class."""
    if "mae" in metrics:  # of another scale than sentiment's it has fewer columns
        columns = SIMS_COLUMNS if "sims_acc2" in metrics else REGRESSION_COLUMNS
        return tuple(column for column in columns if column in metrics)
    return MULTILABEL_COLUMNS if "exact_match" in metrics else CLASS_COLUMNS


def _cell(values: Sequence[float | None]) -> str:
    known = [float(value) for value in values if value is not None and not np.isnan(value)]
    if len(known) < len(values) or not known:
        return "–"
    mean = f"{np.mean(known):.3f}"
    return mean if len(known) == 1 else f"{mean} ± {np.std(known, ddof=1):.3f}"
