"""Pictures turned upright as FFmpeg's own command shows them.

A track's display matrix (ISO 14496-12, 8.3.2; libavutil/display.h) is nine whole numbers

    a b u
    c d v      a point (p, q) of the picture is shown at (a p + c q + x, b p + d q + y)
    x y w

FFmpeg's command reads an angle out of it, mends quarter turns, mirrors and transposes exactly, and
turns by any other angle within the picture's own size, the corners black. A matrix that has no
angle, such as one of zeros, changes nothing.
"""

import math
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Matrix = tuple[int, ...]  # a b u c d v x y w
Image = NDArray[np.uint8]

RGB = av.VideoFormat("rgb24")
NEAR = 1.0  # degrees: what lies closer to a quarter turn is one


def display_matrix(frame: av.VideoFrame) -> Matrix | None:
    """The matrix that comes with a decoded frame; None where there is none."""
    found: Any = frame.side_data.get("DISPLAYMATRIX")  # by name: the type's stubs lag behind
    content = None if found is None else bytes(found)
    return struct.unpack("=9i", content) if content and len(content) == 36 else None


def upright(image: Image, matrix: Matrix | None) -> Image:
    """A picture as its display matrix has it shown.

    Args:
        image: (height, width, 3), RGB, as it is stored.
        matrix: see `display_matrix`.

    Returns:
        (height, width, 3), contiguous; sides change places with quarter turns and transposes.
    """
    angle = None if matrix is None else _angle(matrix)
    if matrix is None or angle is None:
        turned = image
    elif abs(angle - 90) < NEAR:
        turned = image.swapaxes(0, 1) if matrix[3] > 0 else np.rot90(image, -1)
    elif abs(angle - 180) < NEAR:
        turned = image[:, ::-1] if matrix[0] < 0 else image
        turned = turned[::-1] if matrix[4] < 0 else turned
    elif abs(angle - 270) < NEAR:
        turned = np.rot90(image, -1)[::-1] if matrix[3] < 0 else np.rot90(image)
    elif abs(angle) > NEAR:
        turned = _turned_by(image, angle)
    elif abs(angle) < NEAR and matrix[4] < 0:
        turned = image[::-1]
    else:
        turned = image
    return np.ascontiguousarray(turned)


def _angle(matrix: Matrix) -> float | None:
    """Whole degrees clockwise, from just below 0 up to 359; None where a column is zero."""
    if not (matrix[0] or matrix[3]) or not (matrix[1] or matrix[4]):
        return None
    a = matrix[0] / math.hypot(matrix[0], matrix[3])
    b = matrix[1] / math.hypot(matrix[1], matrix[4])
    angle = float(round(math.degrees(math.atan2(b, a))))
    return angle - 360 * math.floor(angle / 360 + 0.9 / 360)


def _turned_by(image: Image, angle: float) -> Image:
    graph = av.filter.Graph()
    height, width = image.shape[:2]
    nodes = (
        graph.add_buffer(width=width, height=height, format=RGB, time_base=Fraction(1)),
        graph.add("rotate", f"{angle}*PI/180"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*nodes).configure()
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame.pts = 0
    graph.push(frame)
    turned: Any = graph.pull()
    return np.asarray(turned.to_ndarray(format="rgb24"), np.uint8)
