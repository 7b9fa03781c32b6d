"""Decoding of sound and pictures, on files made here."""

import logging
from pathlib import Path

import numpy as np
import pytest
from small_clips import tone_strength

from mia_fairseq.errors import InputError
from preprocess.media.streams import probe, read_audio
from preprocess.media.video_frames import frame_times, iter_frames, read_frames


def assert_one_sentence(error: pytest.ExceptionInfo[InputError], *words: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert ". " not in message.replace(".mp4", "")
    for word in words:
        assert word in message


def test_probe_tells_what_is_in_a_clip(clip):
    info = probe(clip)
    assert info.has_audio
    assert info.has_video
    assert (info.frames, info.width, info.height) == (30, 64, 48)
    assert info.fps == pytest.approx(10)
    assert info.duration == pytest.approx(3.0, abs=0.1)
    assert (info.audio_rate, info.audio_channels) == (16_000, 1)


@pytest.mark.parametrize(
    ("name", "video", "audio"),
    [
        ("a.mp4", "libx264", "aac"),
        ("a.mkv", "libx264", "flac"),
        ("a.webm", "libvpx-vp9", "libopus"),
        ("a.avi", "mpeg4", "libmp3lame"),
        ("a.mov", "libx264", "aac"),
        ("a.ts", "libx264", "aac"),
    ],
)
def test_every_container_gives_the_same_frames_and_sound(media, tmp_path, name, video, audio):
    rate = 48_000
    path = media.write_clip(
        tmp_path / name,
        media.grey_levels(30),
        media.tone(3.0, rate),
        rate=rate,
        video_codec=video,
        audio_codec=audio,
        options={"b": "2M"} if video == "mpeg4" else {},
    )
    assert frame_times(path)[[0, -1]] == pytest.approx([0.0, 2.9], abs=0.11)
    assert [media.level(image) for image in read_frames(path)] == list(range(30))
    assert [media.level(image) for image in read_frames(path, [0, 7, 7, 29])] == [0, 7, 7, 29]
    samples = read_audio(path)
    assert len(samples) == pytest.approx(48_000, abs=1600)
    assert tone_strength(samples[8000:40_000], 16_000, 440.0) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 6)])
def test_any_rate_and_channel_count_becomes_16_khz_mono(media, tmp_path, rate, channels):
    sound = media.tone(2.0, rate, channels)
    path = media.write_clip(tmp_path / "a.mkv", sound=sound, rate=rate, audio_codec="flac")
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(32_000, abs=200)
    assert tone_strength(samples[4000:28_000], 16_000, 440.0) == pytest.approx(0.5, rel=0.05)


def test_another_rate_can_be_asked_for(clip):
    assert len(read_audio(clip, rate=8_000)) == pytest.approx(24_000, abs=900)


@pytest.mark.parametrize("fps", [10, 25])
def test_a_range_of_a_long_file_equals_the_slice_of_the_whole(media, tmp_path, fps):
    rate = 16_000
    sweep = np.sin(np.cumsum(np.linspace(0.02, 0.8, 12 * rate)))[None].astype(np.float32) / 2
    pictures = media.grey_levels(12 * fps)
    path = media.write_clip(
        tmp_path / "long.mp4", pictures, sweep, fps=fps, rate=rate, options={"g": "20"}
    )
    start, end = 6.3, 8.1
    whole, part = read_audio(path), read_audio(path, start=start, end=end)
    assert len(part) == round((end - start) * rate)
    shift = slice(round(start * rate), round(end * rate))
    assert np.abs(part - whole[shift]).max() < 1e-3
    times = frame_times(path)
    inside = np.flatnonzero((times >= start) & (times < end))
    assert len(frame_times(path, start, end)) == len(inside)
    expected = read_frames(path, inside)
    got = list(iter_frames(path, start=start, end=end))
    assert [frame.time for frame in got] == pytest.approx(times[inside])
    for frame, image in zip(got, expected, strict=True):
        np.testing.assert_array_equal(frame.image, image)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.avi"])
def test_a_range_is_found_where_only_the_first_frame_is_a_key_frame(media, tmp_path, name):
    codec, options = ("mpeg4", {"b": "2M"}) if name == "a.avi" else ("libx264", {"g": "1000"})
    pictures = media.grey_levels(90)
    path = media.write_clip(tmp_path / name, pictures, video_codec=codec, options=options)
    images = read_frames(path, start=6.0, end=7.0)
    assert [media.level(image) for image in images] == [i % 30 for i in range(60, 70)]


def test_a_track_that_begins_late_is_silent_before(media, tmp_path):
    path = media.write_clip(
        tmp_path / "late.mkv",
        media.grey_levels(30),
        media.tone(2.0, 16_000),
        audio_codec="flac",
        sound_begins=1.0,
    )
    samples = read_audio(path, start=0.5, end=2.0)
    assert len(samples) == 24_000
    assert np.abs(samples[:7900]).max() == 0
    assert tone_strength(samples[8400:], 16_000, 440.0) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mpeg4"])
def test_frames_taken_singly_equal_those_of_decoding_all(media, tmp_path, codec):
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 255, (48, 94, 3), dtype=np.uint8)
    pictures = [np.ascontiguousarray(noise[:, i : i + 64]) for i in range(30)]
    options = {"bf": "2"} if codec == "mpeg4" else {}
    path = media.write_clip(tmp_path / "a.mkv", pictures, video_codec=codec, options=options)
    everything = read_frames(path)
    for chosen in ([0], [29], [3, 11, 12, 26], list(range(1, 30, 4))):
        for index, image in zip(chosen, read_frames(path, chosen), strict=True):
            np.testing.assert_array_equal(image, everything[index])


def test_variable_frame_rate_keeps_each_frames_time(media, tmp_path):
    times = [0.0, 0.04, 0.5, 0.52, 1.7, 2.0]
    path = media.write_clip(tmp_path / "vfr.mp4", media.grey_levels(6), times=times)
    assert frame_times(path) == pytest.approx(times, abs=1e-3)
    assert [media.level(image) for image in read_frames(path, start=0.5, end=1.75)] == [2, 3, 4]


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_rotation_metadata_is_honoured(media, tmp_path, quarter_turns):
    path = media.write_clip(tmp_path / "turned.mp4", media.grey_levels(4))
    upright = read_frames(path, [0])[0]
    turned = read_frames(media.turn(path, quarter_turns), [0])[0]
    # The matrix turns clockwise on screen: the red upper left corner goes right, down, left.
    np.testing.assert_array_equal(turned, np.rot90(upright, -quarter_turns))
    assert turned.flags["C_CONTIGUOUS"]


def test_pictures_get_square_pixels_and_a_largest_side(media, tmp_path):
    path = media.write_clip(tmp_path / "wide.mp4", media.grey_levels(3), pixel_aspect=2)
    assert read_frames(path, [0])[0].shape == (48, 128, 3)
    assert read_frames(path, [0], max_side=64)[0].shape == (24, 64, 3)


def test_large_portrait_video_is_shrunk_while_decoding(media, tmp_path):
    pictures = media.grey_levels(2, width=2160, height=3840)
    path = media.write_clip(tmp_path / "4k.mp4", pictures, options={"preset": "ultrafast"})
    image = read_frames(path, [1], max_side=1280)[0]
    assert image.shape == (1280, 720, 3)
    assert media.level(image) == 1


def test_odd_sizes_are_kept(media, tmp_path):
    path = media.write_clip(tmp_path / "odd.mp4", media.grey_levels(3, width=65, height=33))
    assert read_frames(path)[2].shape == (33, 65, 3)


def test_sound_only_and_pictures_only(media, tmp_path):
    sound_only = media.write_clip(tmp_path / "s.m4a", sound=media.tone(1.0, 16_000))
    pictures_only = media.write_clip(tmp_path / "p.mp4", media.grey_levels(5))
    info = probe(sound_only)
    assert (info.has_audio, info.has_video, info.frames, info.width) == (True, False, 0, None)
    assert not probe(pictures_only).has_audio
    with pytest.raises(InputError) as error:
        read_frames(sound_only)
    assert_one_sentence(error, "s.m4a", "no picture track")
    with pytest.raises(InputError) as error:
        read_audio(pictures_only)
    assert_one_sentence(error, "p.mp4", "no sound track")


def test_missing_empty_text_and_cut_files_are_told_in_one_sentence(media, clip, tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:1500])
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("I am no film.\n" * 40)
    cases = {
        tmp_path / "none.mp4": "no such file",
        empty: "empty (0 bytes)",
        text: "cannot be read",
        cut: "cannot be read",
    }
    for path, words in cases.items():
        for read in (probe, read_audio, read_frames):
            with pytest.raises(InputError) as error:
                read(path)
            assert_one_sentence(error, path.name, words)


def test_a_track_that_ends_before_its_header_says_is_refused(media, tmp_path):
    path = media.write_clip(
        tmp_path / "fast.mp4",
        media.grey_levels(80),
        media.tone(8.0, 16_000),
        container_options={"movflags": "faststart"},
    )
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    path.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    for read in (read_audio, read_frames, probe):
        with pytest.raises(InputError) as error:
            read(path)
        assert_one_sentence(error, "promises 8.0 s", "truncated")
    assert len(read_audio(path, end=2.0)) == 32_000
    assert len(read_frames(path, end=2.0)) == 20


def test_damaged_packets_are_skipped_and_counted_in_the_log(media, tmp_path, caplog):
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = media.write_clip(tmp_path / "holes.mp4", pictures, options={"g": "5", "bf": "0"})
    times = frame_times(path)
    data = bytearray(path.read_bytes())
    middle = (data.index(b"mdat") + len(data)) // 2
    data[middle : middle + 12_000] = bytes(12_000)
    path.write_bytes(bytes(data))
    with caplog.at_level(logging.WARNING, logger="preprocess.media.decoding"):
        images = read_frames(path)
    assert len(images) == len(times) == 30
    assert "damaged video packets were skipped" in caplog.text


@pytest.mark.parametrize("times", [(-1.0, None), (2.0, 1.0), (1.0, 1.0), (float("nan"), None)])
def test_impossible_ranges_are_refused(clip, times):
    for read in (read_audio, read_frames):
        with pytest.raises(InputError, match=r"clip\.mp4"):
            read(clip, start=times[0], end=times[1])


def test_a_range_beyond_the_end_is_refused(clip):
    for read in (read_audio, read_frames):
        with pytest.raises(InputError, match="range 50 s to the end"):
            read(clip, start=50.0)


def test_indices_must_be_frames_of_the_clip_in_order(clip):
    for indices in ([3, 2], [-1], [30]):
        with pytest.raises(InputError, match="between 0 and 29"):
            read_frames(clip, indices)
    assert read_frames(clip, []) == []


def test_cover_art_is_no_video(media, tmp_path):
    path = media.write_cover(tmp_path / "song.mp4")
    assert not probe(path).has_video


def test_a_playlist_cannot_reach_other_places(tmp_path):
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n")
    with pytest.raises(InputError, match="cannot be read"):
        probe(path)


def test_nothing_is_left_beside_a_clip(clip):
    before = sorted(Path(clip).parent.iterdir())
    probe(clip)
    read_audio(clip)
    read_frames(clip)
    assert sorted(Path(clip).parent.iterdir()) == before
