"""What fusions tell of themselves, such as routing weights and gates, as notes of a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mia_fairseq.report.run_results import Table


def fusion_part_notes(table: Table) -> list[str]:
    """A note for each row whose fusion names parts: means over the split's rows and over seeds."""
    notes = []
    for row in table.rows:
        seeds = [seed.metrics.get("parts") or {} for seed in row.seeds]
        names = [name for name in (seeds[0] if seeds else {}) if all(name in s for s in seeds)]
        figures = [f"{name} {_figures(seeds, name)}" for name in names]
        if figures:
            notes.append(f"{row.name}, what its fusion did, on average: {'; '.join(figures)}")
    return notes


def _figures(seeds: list[Mapping[str, Any]], name: str) -> str:
    mean = np.atleast_1d(np.mean([seed[name] for seed in seeds], axis=0))
    return " ".join(f"{value:.3f}" for value in mean) if len(mean) <= 16 else f"{mean.mean():.3f}"
