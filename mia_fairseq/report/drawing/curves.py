"""Training curves out of TensorBoard's files into a picture."""

import logging
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

logging.getLogger("tensorboard").setLevel(logging.WARNING)  # it reports each end of a file

Curve = tuple[list[int], list[float]]  # updates, values


def read_curve(tensorboard: Path, phase: str, tag: str) -> Curve:
    """One curve that fairseq-train wrote.

    Args:
        tensorboard: the folder of ``--tensorboard-logdir``.
        phase: train or valid.
        tag: loss, krl, mae, ...

    Raises:
        FileNotFoundError: nothing was written for the phase.
        KeyError: there is no such tag.
    """
    if not list((tensorboard / phase).glob("events.*")):
        raise FileNotFoundError(f"{tensorboard / phase}: holds no events")
    events = EventAccumulator(str(tensorboard / phase))
    events.Reload()
    # A training that was cut off and went on may have written an update twice: the last one holds.
    written = sorted(events.Scalars(tag), key=lambda event: event.step)
    values = {event.step: event.value for event in written}
    return list(values), list(values.values())


def plot_curves(runs: Mapping[str, Path], picture: Path, *, metric: str = "mae") -> None:
    """Draws the joint loss in training and validation, and one validation metric, of each run.

    Args:
        runs: name -> TensorBoard folder.
        picture: the file to write.
        metric: of validation.
    """
    figure, (losses, metrics) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for place, (name, tensorboard) in enumerate(runs.items()):
        color = f"C{place}"
        losses.plot(
            *read_curve(tensorboard, "train", "loss"), color=color, ls="--", label=f"{name}, train"
        )
        losses.plot(*read_curve(tensorboard, "valid", "loss"), color=color, label=f"{name}, valid")
        metrics.plot(*read_curve(tensorboard, "valid", metric), color=color, label=name)
    for axes, title in ((losses, "joint loss"), (metrics, f"{metric} on validation")):
        axes.set(title=title, xlabel="updates", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=120)
    plt.close(figure)
