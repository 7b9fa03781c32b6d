"""A picture of answers: scores, shares of classes and faces found, over clips or over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mia_fairseq.files import atomic_path
from mia_fairseq.predict.writing.answers import ClipAnswer, Prediction

NAMED = 40  # up to so many clips have their names below them


def draw(path: Path, answers: Sequence[ClipAnswer]) -> Path | None:
    """Writes a picture, a panel for each model and one of faces; nothing where there is no answer.

    Stretches of one recording stand at their times, clips side by side in their order.

    Args:
        path: of the .png.
        answers: in their order.

    Returns:
        The path, or None.
    """
    models = list(answers[0].by_model) if answers else []
    panels = {name: [answer.by_model[name] for answer in answers] for name in models}
    panels = {
        name: found for name, found in panels.items() if any(one.value is not None for one in found)
    }
    if not panels:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    over_time = len({answer.id for answer in answers}) == 1 and answers[0].start is not None
    width = float(np.clip(2 + 0.3 * len(answers), 6, 24))
    faces = [answer.faces for answer in answers]
    seen = any(share is not None for share in faces)
    figure = Figure(figsize=(width, 2.8 * (len(panels) + seen) + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, widths = _places(answers, over_time=over_time)
    rows = np.atleast_1d(figure.subplots(len(panels) + seen, 1, sharex=True))
    for axes, (name, by_model) in zip(rows, panels.items(), strict=False):
        _panel(axes, by_model, left, widths)
        axes.set_title(name or "prediction", loc="left", fontsize=10)
    if seen:
        _panel_of_faces(rows[-1], faces, left, widths)
    if over_time:
        rows[-1].set_xlabel("seconds")
    elif len(answers) <= NAMED:
        names = [Path(answer.id).name for answer in answers]
        rows[-1].set_xticks(left, names, rotation=60, ha="right")
    else:
        rows[-1].set_xlabel("clip, in the table's order from 0")
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=120)
    return path


def _places(answers: Sequence[ClipAnswer], *, over_time: bool) -> tuple[Any, Any]:
    """(n,) where each answer's middle stands, and how wide it is."""
    if over_time:
        times = np.array([(answer.start or 0.0, answer.end or 0.0) for answer in answers])
        return times.mean(axis=1), times[:, 1] - times[:, 0]
    return np.arange(len(answers), dtype=float), np.full(len(answers), 0.8)


def _panel(axes: Any, by_model: Sequence[Prediction], middle: Any, widths: Any) -> None:
    """Bars of scores, or of the classes' shares upon each other; a gap where there is none."""
    classes = list(dict.fromkeys(name for one in by_model for name in one.probabilities))
    if not classes:
        scores = [one.value if isinstance(one.value, float) else np.nan for one in by_model]
        axes.bar(middle, scores, widths, color="#4477aa")
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_ylabel("score")
        return
    below = np.zeros(len(by_model))
    for name in classes:
        shares = np.array([one.probabilities.get(name, 0.0) for one in by_model])
        axes.bar(middle, shares, widths, bottom=below, label=name)
        below += shares
    axes.set_ylabel("share")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _panel_of_faces(axes: Any, faces: Sequence[float | None], middle: Any, widths: Any) -> None:
    """Bars from 0 to 1; a gap where a clip has no pictures."""
    axes.bar(middle, [np.nan if share is None else share for share in faces], widths, color="0.6")
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("share of pictures")
    axes.set_title("faces found", loc="left", fontsize=10)
