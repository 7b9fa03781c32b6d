"""Sound has the time of its file, however it is read, and what ails a track ends nothing."""

from pathlib import Path

import av
import numpy as np
import pytest
from small_clips import tone, tone_strength, write_clip

from mia_fairseq.errors import InputError
from preprocess.media import laid_sound
from preprocess.media.decoding import packets
from preprocess.media.streams import probe, read_audio


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(("late", "hole"), [(0.0, (0.0, 0.0)), (2.0, (0.0, 0.0)), (1.0, (2, 3.0))])
def test_whole_and_part_of_sound_have_the_time_of_the_file(media, tmp_path, name, late, hole):
    rate, begun = 16_000, (1.0, 3.5)  # when a low and a high tone are heard, without lateness
    sound = np.zeros((1, 5 * rate), np.float32)
    for begin, hertz in zip(begun, (440.0, 1000.0), strict=True):
        sound[:, round(begin * rate) : round((begin + 0.5) * rate)] = tone(0.5, rate, 1, hertz)
    pictures = media.grey_levels(100)
    path = media.write_clip(
        tmp_path / name, pictures, sound, rate=rate, sound_begins=late, sound_hole=hole
    )
    whole = read_audio(path)
    np.testing.assert_array_equal(whole, read_audio(path, start=0.0))
    lows = (begun[0] + late, begun[1] + late + hole[1])
    for begin, hertz in zip(lows, (440.0, 1000.0), strict=True):
        inside = (round((begin + 0.1) * rate), round((begin + 0.4) * rate))
        part = read_audio(path, start=inside[0] / rate, end=inside[1] / rate)
        for found in (part, whole[slice(*inside)]):
            assert tone_strength(found, rate, hertz) == pytest.approx(0.5, rel=0.2)
    for start, end in ((0.5, 2.2), (2.4, 5.3), (3.6, 5.4), (4.0, 8.0)):
        part = read_audio(path, start=start, end=end)
        assert np.abs(part - whole[round(start * rate) : round(end * rate)]).max() < 0.02


def test_a_part_that_is_sought_before_the_first_sound_is_found(media, tmp_path):
    pictures, sound = media.grey_levels(230), media.tone(21.5, 16_000)
    path = media.write_clip(  # so long that it has an index
        tmp_path / "a.mkv", pictures, sound, video_codec="mpeg4", sound_begins=1.5
    )
    samples = read_audio(path, start=3.0, end=4.5)
    assert len(samples) == 24_000
    assert tone_strength(samples, 16_000, 440.0) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("times", [(95443.7, 0.0, 0.064), (0.0, 95443.7, 0.128)])
def test_a_time_beyond_the_end_of_the_file_is_no_hole(times, caplog):
    sound = laid_sound.LaidSound(Path("a.ts"), 16_000, 0.0, lasts=23.0)  # counts from 0 in between
    for time in times:
        frame = av.AudioFrame.from_ndarray(tone(0.064, 16_000), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        sound.add(frame, sound.time_of(time))
    assert len(sound.between(0.0, None)) == 3 * 1024
    assert caplog.text.count("taken for a fault of its clock") == 1


def test_tracks_that_the_header_does_not_tell_of_end_nothing(caplog):
    class Container:
        def demux(self, stream):
            yield "packet"
            raise IndexError("list index out of range")

    assert list(packets(Container(), None, Path("a.flv"))) == ["packet"]
    assert not caplog.text


def test_sound_without_a_decoder_is_told_when_it_is_asked_for(media, tmp_path):
    clip = media.write_clip(tmp_path / "a.mkv", media.grey_levels(30), media.tone(3.0, 16_000))
    clip.write_bytes(clip.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    info = probe(clip)
    assert (info.has_audio, info.audio_rate, info.frames) == (True, None, 30)
    with pytest.raises(InputError, match="in a format that this FFmpeg cannot decode"):
        read_audio(clip)


def test_pieces_that_cannot_be_brought_to_the_rate_are_skipped(tmp_path, monkeypatch):
    class Resampler:
        def __init__(self, **_):
            pass

        def resample(self, _):
            raise av.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(laid_sound, "AudioResampler", Resampler)
    path = write_clip(tmp_path / "a.m4a", sound=tone(0.2, 16_000))
    with pytest.raises(InputError, match="no sound could be decoded"):
        read_audio(path)
