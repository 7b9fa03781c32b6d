"""The report's pictures, each as SVG."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from mia_fairseq.report.drawing.curves import read_curve
from mia_fairseq.report.drawing.svg_image import (
    BETTER,
    FAINT,
    INK,
    UNSETTLED,
    WORSE,
    as_image,
    series_color,
)

Point = tuple[float, float, float]  # mean, low, high
Runs = Mapping[str, Sequence[Path]]  # row -> the TensorBoard folders of its seeds
MOST_STEPS = 25  # of a seed's thin curve
MOST_POINTS = 200  # of a scatter as vectors; more are drawn as pixels


def differences(
    points: Mapping[str, Point], settled: Mapping[str, bool], metric: str, reference: str
) -> str:
    """A dot with its interval for each row, beside a line for the reference.

    Args:
        points: row -> difference of the metric.
        settled: row -> whether the difference is beyond chance.
        metric: its name; of mae less is better.
        reference: the row that others are compared with.
    """
    sign = -1 if metric == "mae" else 1
    figure, axes = _rows_figure(list(points))
    for place, (name, (mean, low, high)) in enumerate(list(points.items())[::-1]):
        color = UNSETTLED
        if settled[name]:
            color = BETTER if mean * sign > 0 else WORSE
        axes.plot([low, high], [place, place], color=color, lw=2.2, solid_capstyle="round")
        axes.plot([mean], [place], "o", color=color, ms=7)
    axes.axvline(0, color=INK, lw=1, ls=(0, (3, 3)))
    better = "left" if sign < 0 else "right"
    axes.set_xlabel(f"{metric} less the reference's (better to the {better})")
    return as_image(figure, f"{metric} of each row less that of {reference}, with intervals")


def values(points: Mapping[str, Point], metric: str) -> str:
    """A dot with its interval for each row."""
    figure, axes = _rows_figure(list(points))
    for place, (mean, low, high) in enumerate(list(points.values())[::-1]):
        axes.plot([low, high], [place, place], color=series_color(0), lw=2.2, alpha=0.6)
        axes.plot([mean], [place], "o", color=series_color(0), ms=7)
    axes.set_xlabel(metric)
    return as_image(figure, f"{metric} of each row")


def lines(series: Mapping[str, Mapping[float, Point]], x_label: str, label: str) -> str:
    """A line for each series.

    Args:
        series: name -> x -> mean and interval.
        x_label: of the horizontal axis.
        label: of the vertical axis.
    """
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for place, (name, points) in enumerate(series.items()):
        x = np.array(sorted(points)) + 0.0
        mean, low, high = (np.array([points[at][i] for at in sorted(points)]) for i in range(3))
        axes.plot(x, mean, "o-", color=series_color(place), label=name)
        axes.fill_between(x, low, high, color=series_color(place), alpha=0.12, lw=0)
    axes.set(xlabel=x_label, ylabel=label)
    axes.grid()
    axes.legend()
    return as_image(figure, f"{label} by {x_label}")


def curves(runs: Runs, metric: str) -> tuple[str, list[str]]:
    """Losses and one validation metric over training; and the names whose curves are lacking.

    A thin line a seed, and a strong one for their mean.
    """
    height = max(3.2, 0.2 * len(runs) + 0.8)
    figure, panels = plt.subplots(1, 3, figsize=(12, height), layout="constrained")
    wanted = (("train", "loss"), ("valid", "loss"), ("valid", metric))
    lacking = []
    for place, (name, folders) in enumerate(runs.items()):
        for axes, (phase, tag) in zip(panels, wanted, strict=True):
            found = []
            for folder in folders:
                try:
                    found.append(read_curve(folder, phase, tag))
                except (KeyError, OSError):
                    lacking.append(f"{name}, {folder.parent.name}: {phase} {tag}")
            _draw_seeds(axes, found, series_color(place), _short(name, 44))
    for axes, (phase, tag) in zip(panels, wanted, strict=True):
        axes.set(title=f"{tag}, {phase}", xlabel="updates")
        axes.grid()
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right center", fontsize=8)
    return as_image(figure, "training curves"), lacking


def _draw_seeds(
    axes: plt.Axes, found: Sequence[tuple[list[int], list[float]]], color: str, name: str
) -> None:
    x: list[float] = []
    y: list[float] = []
    for updates, values_ in found if len(found) > 1 else ():
        every = -(-len(updates) // MOST_STEPS)
        x += [*updates[::every], updates[-1], np.nan]  # a gap: all seeds are one line to draw
        y += [*values_[::every], values_[-1], np.nan]
    if x:
        axes.plot(x, y, color=color, lw=0.7, alpha=0.35)
    if not found:
        return
    shortest = min(found, key=lambda curve: len(curve[0]))[0]  # seeds may stop at other epochs
    mean = np.mean([curve[1][: len(shortest)] for curve in found], axis=0)
    axes.plot(shortest, mean, color=color, lw=1.8, label=name)


def scatter(truth: NDArray[np.float64], prediction: NDArray[np.float64], name: str) -> str:
    """Predicted against true scores, both (n,)."""
    figure, axes = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
    limits = [min(truth.min(), prediction.min()) - 0.2, max(truth.max(), prediction.max()) + 0.2]
    axes.plot(limits, limits, color=FAINT, lw=0.8)
    pixels = len(truth) > MOST_POINTS
    axes.scatter(truth, prediction, s=8, alpha=0.35, lw=0, color=series_color(0), rasterized=pixels)
    title = "\n".join(textwrap.wrap(name, 36))
    axes.set(xlim=limits, ylim=limits, xlabel="true", ylabel="predicted", title=title)
    return as_image(figure, f"predicted against true scores of {name}")


def confusion(table: NDArray[np.float64], names: Sequence[str], title: str) -> str:
    """A confusion table, shares of each true class.

    Args:
        table: (k, k) counts: rows truth, columns prediction.
        names: the k classes.
        title: of the picture.
    """
    size = 1.6 + 0.4 * len(names)
    figure, axes = plt.subplots(figsize=(max(size, 3.6),) * 2, layout="constrained")
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    for true, predicted in np.ndindex(*table.shape):
        color = "#ffffff" if shares[true, predicted] > 0.5 else "#1b1b1d"
        count = f"{table[true, predicted]:.0f}"
        axes.text(predicted, true, count, ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title="\n".join(textwrap.wrap(title, 36)))
    axes.spines[:].set_visible(False)
    return as_image(figure, f"confusion of classes, {title}")


def heat_maps(
    maps: Mapping[str, NDArray[np.float64]],
    x_labels: Sequence[str],
    y_labels: Sequence[str],
    y_ticks: Sequence[Sequence[str]],
) -> str:
    """Matrices side by side, each on a scale of its own.

    Args:
        maps: title -> values.
        x_labels: of the axes, one a map.
        y_labels: of the axes, one a map.
        y_ticks: names of a map's rows; none: they are numbered.
    """
    figure, panels = plt.subplots(
        1, len(maps), figsize=(3.4 * len(maps), 2.8), layout="constrained", squeeze=False
    )
    labels = zip(maps.items(), x_labels, y_labels, y_ticks, strict=True)
    for axes, ((name, shown), x_label, y_label, ticks) in zip(panels[0], labels, strict=True):
        image = axes.imshow(shown, cmap="viridis", aspect="auto", interpolation="none")
        axes.set(title=name, xlabel=x_label, ylabel=y_label)
        if ticks:
            axes.set_yticks(range(len(ticks)), [_short(tick, 18) for tick in ticks], fontsize=7)
        scale = figure.colorbar(image, ax=axes, shrink=0.8)
        if scale.solids is not None:
            scale.solids.set_rasterized(True)  # not 256 shapes
    return as_image(figure, ", ".join(maps))


def _rows_figure(names: Sequence[str]) -> tuple[plt.Figure, plt.Axes]:
    labels = ["\n".join(textwrap.wrap(name, 42)) for name in reversed(names)]
    height = 0.9 + sum(0.16 + 0.17 * (label.count("\n") + 1) for label in labels)
    figure, axes = plt.subplots(figsize=(7, height), layout="constrained")
    axes.set_yticks(range(len(names)), labels, ma="right")
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    return figure, axes


def _short(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
