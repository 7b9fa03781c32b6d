"""The largest face of each keyframe, cut out (the paper's Section 3.1.3, point 1).

Written policy, tested in tests/preprocess/test_faces.py:

- Only keyframes are run through the detector. The paper detects in every frame and picks keyframes
  after; as a detection looks at one frame alone, what comes out is the same.
- Of several faces the largest box is taken, then the surest, then the leftmost.
- A keyframe without a face is left out of the sequence and counted; nothing is made up for it.
- A clip none of whose keyframes shows a face gives an empty sequence, which the extractor reports
  as a failure of that clip.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.faces.keyframes import KeyframeRule
from preprocess.media.video_frames import Frame, frame_times, iter_frames
from preprocess.networks.face_detector import Face, FaceDetector

LARGEST_PICTURE = 1280  # pixels of the longer side; larger frames are shrunk while decoding


@dataclass(frozen=True)
class ClipFaces:
    """The faces of one clip's keyframes. T keyframes with a face, S pixels of a crop's side.

    `crops` (T, S, S, 3) RGB uint8; `indices` (T,) of the frames among the clip's; `times` (T,)
    seconds; `boxes` (T, 4) in pixels of the decoded picture; `keyframes` how many were looked at;
    `several` how many of them showed more than one face.
    """

    crops: NDArray[np.uint8]
    indices: NDArray[np.int64]
    times: NDArray[np.float64]
    boxes: NDArray[np.float32]
    keyframes: int
    several: int

    @property
    def without_face(self) -> int:
        return self.keyframes - len(self.crops)


def largest_face(faces: Sequence[Face]) -> Face | None:
    """The face with the largest box; of equal ones the surest, then the leftmost."""
    return max(faces, key=lambda face: (face.area, face.score, -face.box[0]), default=None)


def crop_face(
    picture: NDArray[np.uint8], face: Face, size: int, margin: float, *, align: bool = False
) -> NDArray[np.uint8]:
    """Cuts a square around a face and scales it.

    The square's side is the box's longer side with `margin` of it added on each edge. Where it
    reaches over the picture's border, the border's pixels go on.

    Args:
        picture: RGB (height, width, 3).
        face: where it is.
        size: pixels of the result's side.
        margin: share of the box's longer side.
        align: turn the square so that the eyes lie on a level.

    Returns:
        RGB (size, size, 3).
    """
    left, top, right, bottom = face.box
    side = max(right - left, bottom - top) * (1 + 2 * margin)
    pixels = max(1, round(side))  # cut at the picture's own resolution, then scaled
    step = side / pixels
    eyes = face.landmarks[1] - face.landmarks[0]
    angle = float(np.arctan2(eyes[1], eyes[0])) if align and eyes.any() else 0.0
    turn = step * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([left + right, top + bottom]) / 2 - 0.5  # of pixels, whose middles are .5
    shift = centre - turn @ np.full(2, (pixels - 1) / 2)
    square = cv2.warpAffine(
        picture,
        np.column_stack([turn, shift]),
        (pixels, pixels),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    how = cv2.INTER_AREA if pixels > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size, size), interpolation=how), np.uint8)


def clip_faces(
    path: Path,
    rule: KeyframeRule,
    detector: FaceDetector,
    *,
    size: int,
    margin: float,
    align: bool = False,
    start: float | None = None,
    end: float | None = None,
    stage: Callable[[str], AbstractContextManager[Any]] = nullcontext,
) -> ClipFaces:
    """Detects and cuts out the face of each keyframe of a clip.

    Args:
        path: of the clip.
        rule: which frames are keyframes.
        detector: of faces.
        size: pixels of a crop's side.
        margin: added around the box, as a share of it.
        align: whether eyes are turned level.
        start: seconds; None: the clip's beginning.
        end: seconds; None: the clip's end.
        stage: entered with the name of each stage of the work, to time it.

    Raises:
        InputError: the clip cannot be read or has no pictures.
    """
    with stage("decode video"):
        chosen = rule.choose(frame_times(path, start, end))
    crops, indices, times, boxes, several = [], [], [], [], 0
    frames = iter_frames(path, chosen, start, end, max_side=LARGEST_PICTURE)
    for frame, faces in _found(frames, detector, stage):
        face = largest_face(faces)
        several += len(faces) > 1
        if face is not None:
            crops.append(crop_face(frame.image, face, size, margin, align=align))
            indices.append(frame.index)
            times.append(frame.time)
            boxes.append(face.box)
    return ClipFaces(
        crops=np.array(crops, dtype=np.uint8).reshape(-1, size, size, 3),
        indices=np.array(indices, dtype=np.int64),
        times=np.array(times, dtype=np.float64),
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        keyframes=len(chosen),
        several=several,
    )


def face_share(
    path: Path,
    rule: KeyframeRule,
    detector: FaceDetector,
    *,
    start: float | None = None,
    end: float | None = None,
) -> float:
    """The share of a clip's keyframes in which a face is found, from 0 to 1.

    Args:
        path: of the clip.
        rule: which frames are keyframes.
        detector: of faces.
        start: seconds; None: the clip's beginning.
        end: seconds; None: the clip's end.

    Raises:
        InputError: the clip cannot be read or has no pictures.
    """
    chosen = rule.choose(frame_times(path, start, end))
    frames = iter_frames(path, chosen, start, end, max_side=LARGEST_PICTURE)
    return float(np.mean([bool(faces) for _, faces in _found(frames, detector, nullcontext)]))


def _found(
    frames: Iterator[Frame],
    detector: FaceDetector,
    stage: Callable[[str], AbstractContextManager[Any]],
) -> Iterator[tuple[Frame, list[Face]]]:
    """Each frame with its faces."""
    while True:
        with stage("decode video"):
            frame = next(frames, None)
        if frame is None:
            return
        with stage("find faces"):
            faces = detector.detect(frame.image)
        yield frame, faces
