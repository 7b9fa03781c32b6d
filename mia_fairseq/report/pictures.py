"""The report's pictures, as SVG; the same numbers give the same bytes."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mia_fairseq.report.curves import read_curve

plt.rcParams.update({"svg.hashsalt": "mia_fairseq", "svg.fonttype": "none", "font.size": 9})
Point = tuple[float, float, float]  # mean, low, high


def as_image(figure: Figure, description: str) -> str:
    """An ``img`` element that holds the whole picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{description}" src="data:image/svg+xml;base64,{encoded}">'


def bars(points: Mapping[str, Point], label: str) -> str:
    """A horizontal bar for each row, with its interval."""
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.3 * len(points)), layout="constrained")
    means = np.array([point[0] for point in points.values()])
    low, high = (np.array([point[place] for point in points.values()]) for place in (1, 2))
    places = np.arange(len(points))[::-1]
    axes.barh(places, means, color="C0", alpha=0.7)
    reach = np.clip(np.stack([means - low, high - means]), 0, None)
    axes.errorbar(means, places, xerr=reach, fmt="none", ecolor="black", elinewidth=1, capsize=2)
    axes.set_yticks(places, list(points))
    span = np.nanmax(high) - np.nanmin(low)
    axes.set_xlim(
        max(0.0, float(np.nanmin(low) - span)), float(np.nanmax(high) + 0.2 * span + 1e-6)
    )
    axes.set(xlabel=f"{label} (the axis need not start at 0)")
    return as_image(figure, f"{label} of each row")


def lines(series: Mapping[str, Mapping[float, Point]], x_label: str, label: str) -> str:
    """A line for each series: x -> mean and interval."""
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for place, (name, points) in enumerate(series.items()):
        x = np.array(sorted(points)) + 0.0
        mean, low, high = (np.array([points[at][i] for at in sorted(points)]) for i in range(3))
        shown = axes.plot(x, mean, "o-", color=f"C{place}", label=name)
        axes.fill_between(x, low, high, color=shown[0].get_color(), alpha=0.12)
    axes.set(xlabel=x_label, ylabel=label)
    axes.grid(alpha=0.3)
    axes.legend()
    return as_image(figure, f"{label} by {x_label}")


def curves(runs: Mapping[str, Path], metric: str) -> tuple[str, list[str]]:
    """Losses and one validation metric over training; and the names whose curves are lacking."""
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    wanted = (("train", "loss"), ("valid", "loss"), ("valid", metric))
    lacking = []
    for place, (name, tensorboard) in enumerate(runs.items()):
        for axes, (phase, tag) in zip(panels, wanted, strict=True):
            try:
                axes.plot(*read_curve(tensorboard, phase, tag), ".-", color=f"C{place}", label=name)
            except (KeyError, OSError):
                lacking.append(f"{name}: {phase} {tag}")
    for axes, (phase, tag) in zip(panels, wanted, strict=True):
        axes.set(title=f"{tag}, {phase}", xlabel="updates")
        axes.grid(alpha=0.3)
    if panels[0].get_lines():
        panels[0].legend(fontsize=7)
    return as_image(figure, "training curves"), lacking


def scatter(truth: NDArray[np.float64], prediction: NDArray[np.float64], name: str) -> str:
    """Predicted against true scores."""
    figure, axes = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
    limits = [min(truth.min(), prediction.min()) - 0.2, max(truth.max(), prediction.max()) + 0.2]
    axes.plot(limits, limits, color="grey", lw=0.8)
    axes.scatter(truth, prediction, s=8, alpha=0.35, linewidths=0)
    axes.set(xlim=limits, ylim=limits, xlabel="true", ylabel="predicted", title=name)
    return as_image(figure, f"predicted against true scores of {name}")


def confusion(table: NDArray[np.float64], names: Sequence[str], title: str) -> str:
    """A confusion table, shares of each true class."""
    size = 1.6 + 0.55 * len(names)
    figure, axes = plt.subplots(figsize=(size, size), layout="constrained")
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, predicted in np.ndindex(*table.shape):
        color = "white" if shares[true, predicted] > 0.5 else "black"
        count = f"{table[true, predicted]:.0f}"
        axes.text(predicted, true, count, ha="center", va="center", color=color, fontsize=7)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return as_image(figure, f"confusion of classes, {title}")


def heat_maps(
    maps: Mapping[str, NDArray[np.float64]], x_label: str, y_labels: Sequence[str]
) -> str:
    """Matrices side by side, each on a scale of its own."""
    figure, panels = plt.subplots(
        1, len(maps), figsize=(3.2 * len(maps), 2.6), layout="constrained", squeeze=False
    )
    for axes, (name, values), y_label in zip(panels[0], maps.items(), y_labels, strict=True):
        image = axes.imshow(values, cmap="viridis", aspect="auto", interpolation="nearest")
        axes.set(title=name, xlabel=x_label, ylabel=y_label)
        figure.colorbar(image, ax=axes, shrink=0.8)
    return as_image(figure, ", ".join(maps))
