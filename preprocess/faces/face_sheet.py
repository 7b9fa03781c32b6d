"""A picture of what the video extractor saw of a clip: its keyframes' faces, beside the scores."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from preprocess.faces.face_detection import LARGEST_PICTURE, ClipFaces
from preprocess.media.video_frames import read_frames

SHOWN = 6  # keyframes at the most


def draw_face_sheet(
    clip: Path,
    faces: ClipFaces,
    truth: Sequence[float],
    predicted: Sequence[float],
    picture: Path,
    *,
    title: str,
) -> None:
    """Draws a clip's keyframes with the found faces boxed, and predicted against true scores.

    Args:
        clip: the media file.
        faces: what the extractor found in it.
        truth: (n,) scores of a split.
        predicted: (n,) scores of the same rows.
        picture: the file to write.
        title: of the row of keyframes; says what clip it is.
    """
    step = max(1, -(-len(faces.indices) // SHOWN))
    chosen = np.arange(0, len(faces.indices), step)
    frames = read_frames(clip, faces.indices[chosen], max_side=LARGEST_PICTURE)
    figure = plt.figure(figsize=(2 * SHOWN, 7), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1, 2])
    above.suptitle(title)
    axes = above.subplots(1, len(frames), squeeze=False)[0]
    for axis, place, frame in zip(axes, chosen, frames, strict=True):
        left, top, right, bottom = faces.boxes[place]
        axis.imshow(frame)
        box = Rectangle((left, top), right - left, bottom - top, fill=False, color="lime", lw=2)
        axis.add_patch(box)
        axis.set_title(f"{faces.times[place]:.1f} s", fontsize=9)
        axis.axis("off")
    scatter = below.subplots(1, 1)
    low, high = min(*truth, *predicted), max(*truth, *predicted)
    scatter.plot([low, high], [low, high], color="grey", lw=1)
    scatter.scatter(truth, predicted)
    scatter.set(xlabel="true score", ylabel="predicted score", aspect="equal")
    scatter.grid(alpha=0.3)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)
    plt.close(figure)
