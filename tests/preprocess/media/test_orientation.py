"""Every display matrix, against its definition pixel by pixel and FFmpeg's own filters."""

import math
import struct
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from preprocess.media.orientation import upright
from preprocess.media.streams import probe
from preprocess.media.video_frames import iter_frames, read_frames

EXACT = {
    "none": (1, 0, 0, 1),
    "90": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transposed by the other diagonal": (0, -1, -1, 0),
}


def by_definition(image: np.ndarray, a: int, b: int, c: int, d: int) -> np.ndarray:
    """Each pixel (p, q) to (a p + c q, b p + d q), then moved to begin at 0."""
    places = {
        (a * p + c * q, b * p + d * q): image[q, p]
        for q in range(image.shape[0])
        for p in range(image.shape[1])
    }
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    width, height = image.shape[1::-1] if a else image.shape[:2]
    shown = np.zeros((height, width, 3), np.uint8)
    for (x, y), pixel in places.items():
        shown[y - top, x - left] = pixel
    return shown


def matrix_of(a: float, b: float, c: float, d: float) -> tuple[int, ...]:
    return (int(a * 65536), int(b * 65536), 0, int(c * 65536), int(d * 65536), 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("matrix", EXACT.values(), ids=EXACT)
def test_quarter_turns_mirrors_and_transposes_are_exact(
    media: SimpleNamespace, tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    path = media.write_clip(tmp_path / "clip.mp4", media.grey_levels(3))
    stored = read_frames(path, [0])[0]
    shown = read_frames(media.set_matrix(path, *matrix), [0])[0]
    np.testing.assert_array_equal(shown, by_definition(stored, *matrix))
    assert shown.flags["C_CONTIGUOUS"]
    assert probe(path).width == 64  # as it is stored
    # Twice as large, as some cameras write it: the same directions.
    media.set_matrix(path, *(2 * part for part in matrix))
    np.testing.assert_array_equal(read_frames(path, [0])[0], shown)


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 1), (0, 1, 0, 1)])
def test_a_matrix_without_an_angle_changes_nothing(
    media: SimpleNamespace, tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    path = media.write_clip(tmp_path / "clip.mp4", media.grey_levels(3))
    stored = read_frames(path, [0])[0]
    shown = read_frames(media.set_matrix(path, *matrix), [0])[0]
    np.testing.assert_array_equal(shown, stored)


@pytest.mark.parametrize("degrees", [30, 45, 135, 300])
def test_other_angles_turn_within_the_picture(degrees: int) -> None:
    rows, columns = np.mgrid[:48, :64]
    image = np.stack([4 * columns, 5 * rows, 0 * rows], axis=-1).astype(np.uint8)
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    shown = upright(image, matrix_of(cos, sin, -sin, cos))
    assert shown.shape == image.shape and (shown[0, 0] == 0).all()
    for x, y in ((0, 0), (8, 3), (-5, 9)):  # from the middle; one pixel is 4 or 5 levels
        at = round(23.5 + sin * x + cos * y), round(31.5 + cos * x - sin * y)
        red, green, _ = shown[at].astype(int)
        assert abs(red - 4 * (31.5 + x)) < 8 and abs(green - 5 * (23.5 + y)) < 8


def test_square_pixels_come_before_the_turn(media: SimpleNamespace, tmp_path: Path) -> None:
    path = media.write_clip(tmp_path / "wide.mp4", media.grey_levels(3), pixel_aspect=2)
    media.set_matrix(path, *EXACT["90"])
    assert next(iter_frames(path)).image.shape == (128, 48, 3)


def test_the_matrix_of_any_container_is_read(media: SimpleNamespace, tmp_path: Path) -> None:
    clip = media.write_clip(tmp_path / "clip.mp4", media.grey_levels(3))
    stored = read_frames(clip, [0])[0]
    with av.open(str(tmp_path / "a.mkv"), "w") as written, av.open(str(clip)) as read:
        stream = written.add_stream_from_template(read.streams.video[0])
        stream.set_display_rotation(90)  # counter-clockwise
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    np.testing.assert_array_equal(read_frames(tmp_path / "a.mkv", [0])[0], np.rot90(stored))


def test_the_matrix_lies_in_the_file_as_this_test_says(
    media: SimpleNamespace, tmp_path: Path
) -> None:
    path = media.write_clip(tmp_path / "clip.mp4", media.grey_levels(2))
    media.set_matrix(path, 1, 2, 3, 4)
    content = path.read_bytes()
    found = struct.unpack_from(">9i", content, content.index(b"tkhd") + 44)
    assert found == (1 << 16, 2 << 16, 0, 3 << 16, 4 << 16, 0, 0, 0, 1 << 30)
