"""Plain audio through soundfile: the same samples as FFmpeg's reader gives, and what is amiss."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mia_fairseq.errors import InputError
from preprocess.media.plain_sound import read_plain
from preprocess.media.streams import read_audio

RATE = 16_000


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype(
        np.float32
    )


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_of_the_asked_rate_comes_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    samples = np.round(tone(RATE) * 32768).astype(np.int16)
    soundfile.write(path, samples, RATE)
    assert np.array_equal(read_audio(path), samples.astype(np.float32) / 32768)
    part = read_audio(path, start=0.25, end=0.75)
    assert np.array_equal(part, samples[4000:12000].astype(np.float32) / 32768)


def test_channels_are_averaged_and_rates_are_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.column_stack([tone(48_000), np.zeros(48_000)]), 48_000, "FLOAT")
    found = read_audio(path)
    assert found.shape == (RATE,) and found.dtype == np.float32
    assert np.abs(found[200:-200] - tone(RATE)[200:-200] / 2).max() < 1e-3


def test_samples_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(100, np.nan, np.float32), RATE, "FLOAT")
    with pytest.raises(InputError, match="no numbers"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
def test_a_file_that_is_cut_is_refused_and_its_beginning_is_read(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE)
    soundfile.write(path, noise, RATE, "PCM_16")
    whole = read_audio(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    for times in ((None, None), (1.0, 9.0)):
        with pytest.raises(InputError, match=r"ends after [45]\.\d s .* promises 10\.0 s"):
            read_audio(path, start=times[0], end=times[1])
    assert np.array_equal(read_audio(path, start=1.0, end=3.0), whole[RATE : 3 * RATE])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_stream_of_unknown_length_is_read_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(RATE), RATE, "PCM_16")
    whole, data = read_audio(path), bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[4:8] = data[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(bytes(data))
    assert np.array_equal(read_audio(path), whole)


def test_a_flac_stream_of_unknown_length_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(RATE, 3), RATE)
    data = bytearray(path.read_bytes())
    told = int.from_bytes(data[18:26], "big")  # the last 36 bits are how many samples there are
    data[18:26] = (told >> 36 << 36).to_bytes(8, "big")
    path.write_bytes(bytes(data))
    assert (len(read_audio(path)), len(read_audio(path, start=1, end=2))) == (3 * RATE, RATE)


def test_what_soundfile_cannot_read_is_left_to_ffmpeg(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound")
    assert read_plain(tmp_path / "a.wav", RATE, None, None) is None
    assert read_plain(tmp_path / "a.mp4", RATE, None, None) is None
    with pytest.raises(InputError, match="cannot be read as a media file"):
        read_audio(tmp_path / "a.wav")
