"""Keyframes with the found face boxed, for people to look at."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.faces.face_detection import LARGEST_PICTURE, ClipFaces
from preprocess.media.video_frames import iter_frames

GREEN = (0, 255, 0)


@dataclass(frozen=True)
class BoxedKeyframe:
    """A keyframe with a face.

    Attributes:
        time: seconds.
        picture: RGB (height, width, 3), the box drawn on it.
    """

    time: float
    picture: NDArray[np.uint8]


def boxed_keyframes(path: Path, faces: ClipFaces, *, most: int, side: int) -> list[BoxedKeyframe]:
    """The keyframes that show a face, at most some of them, evenly.

    Args:
        path: of the clip.
        faces: what was found in all of it.
        most: of them.
        side: pixels of the longer side of what is returned.
    """
    count = min(most, len(faces.indices))
    places = (2 * np.arange(count) + 1) * len(faces.indices) // (2 * max(count, 1))
    # Boxes are in pixels of pictures of this size.
    frames = iter_frames(path, faces.indices[places], max_side=LARGEST_PICTURE)
    return [
        BoxedKeyframe(float(faces.times[place]), _boxed(frame.image, faces.boxes[place], side))
        for place, frame in zip(places, frames, strict=True)
    ]


def _boxed(picture: NDArray[np.uint8], box: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shown = cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    left, top, right, bottom = (round(float(edge) * scale) for edge in box)
    cv2.rectangle(shown, (left, top), (right, bottom), GREEN, 2)
    return np.asarray(shown, np.uint8)
