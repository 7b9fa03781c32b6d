"""Keyframes at equal intervals, against cases worked out by hand."""

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.faces.keyframes import KeyframeRule, average_frame_count, keyframe_indices


@pytest.mark.parametrize(
    ("frames", "keyframes", "expected"),
    [
        (10, 1, [5]),  # one part of ten frames: its middle
        (10, 2, [2, 7]),  # parts 0-4 and 5-9
        (12, 3, [2, 6, 10]),  # parts of four frames
        (10, 4, [1, 3, 6, 8]),  # parts of 2.5 frames, middles 1.25, 3.75, 6.25, 8.75
        (7, 3, [1, 3, 5]),  # middles 1.17, 3.5, 5.83
        (5, 5, [0, 1, 2, 3, 4]),
        (3, 8, [0, 1, 2]),  # fewer frames than keyframes: each once
        (1, 4, [0]),
        (0, 4, []),
    ],
)
def test_keyframes_worked_out_by_hand(frames, keyframes, expected):
    assert keyframe_indices(frames, keyframes).tolist() == expected


def test_intervals_are_equal_to_within_a_frame():
    for frames in range(1, 60):
        for keyframes in range(1, frames + 1):
            indices = keyframe_indices(frames, keyframes)
            assert len(indices) == keyframes
            assert 0 <= indices[0] <= indices[-1] < frames
            steps = np.diff(indices)
            assert keyframes == 1 or steps.max() - steps.min() <= 1


def test_the_average_is_rounded_half_up_over_clips_with_pictures():
    assert average_frame_count([10, 20]) == 15
    assert average_frame_count([1, 2]) == 2  # 1.5
    assert average_frame_count([100, 0, 51]) == 76  # 75.5; the clip without pictures is left out
    with pytest.raises(InputError, match="no clip of the corpus has pictures"):
        average_frame_count([0, 0])


@pytest.mark.parametrize("text", ["average", "16", "2/s", "0.5/s"])
def test_rules_are_read_and_written_alike(text):
    assert str(KeyframeRule.parse(text)) == text


@pytest.mark.parametrize("text", ["", "0", "-3", "1.5", "0/s", "2 /s", "all"])
def test_other_rules_are_refused(text):
    with pytest.raises(InputError, match=r"rate such as 2/s"):
        KeyframeRule.parse(text)


def test_a_rate_counts_the_clips_seconds():
    times = np.arange(30) / 10  # three seconds
    assert KeyframeRule.parse("1/s").choose(times).tolist() == [5, 15, 25]
    assert len(KeyframeRule.parse("2/s").choose(times)) == 6
    assert len(KeyframeRule.parse("0.1/s").choose(times)) == 1
    assert KeyframeRule.parse("1/s").choose(times[:1]).tolist() == [0]


def test_the_average_has_to_be_filled_in():
    rule = KeyframeRule.parse("average")
    with pytest.raises(InputError, match="whole corpus"):
        rule.choose(np.arange(5.0))
    filled = rule.with_average([2, 4])
    assert str(filled) == "3"
    assert filled.choose(np.arange(9.0)).tolist() == [1, 4, 7]
    assert KeyframeRule.parse("2/s").with_average([9]) == KeyframeRule.parse("2/s")
