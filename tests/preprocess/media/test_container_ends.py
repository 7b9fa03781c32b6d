"""A file that was cut is refused, whatever its container; what was not cut is read as before."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from mia_fairseq.errors import InputError
from preprocess.media.container_ends import share_there
from preprocess.media.streams import read_audio
from preprocess.media.video_frames import read_frames

RATE, SECONDS = 48_000, 8
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, SECONDS * RATE).astype(np.float32)
PLAIN = {"wav": "WAV", "rf64.wav": "RF64", "ogg": "OGG", "opus": "OGG", "aiff": "AIFF"}
MUXED = {"webm": "libopus", "mkv": "aac", "avi": "pcm_s16le", "oga": "libopus", "ogv": "libopus"}
NAMES = (*PLAIN, *MUXED, "wav as.m4a")
OGG = ("ogg", "opus", "oga", "ogv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of noise of each name."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix, kind in PLAIN.items():
        subtype = {"opus": "OPUS", "ogg": "VORBIS"}.get(suffix, "PCM_16")
        soundfile.write(folder / f"a.{suffix}", NOISE, RATE, subtype, format=kind)
    for suffix, codec in MUXED.items():
        form = "ogg" if suffix in OGG else None
        with av.open(str(folder / f"a.{suffix}"), "w", format=form) as out:
            stream = out.add_stream(codec, rate=RATE, layout="mono")
            for start in range(0, len(NOISE), 960):
                samples = NOISE[None, start : start + 960]
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = RATE, start
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    (folder / "a.wav as.m4a").write_bytes((folder / "a.wav").read_bytes())  # for FFmpeg
    return folder


def cut(whole: Path, name: str, folder: Path, share: float) -> Path:
    data = (whole / f"a.{name}").read_bytes()
    path = folder / f"a.{name}"
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_is_read_without_a_word(
    whole: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(read_audio(whole / f"a.{name}", RATE)) / RATE == pytest.approx(SECONDS, abs=0.1)
    assert share_there(whole / f"a.{name}") == 1 and not caplog.text


@pytest.mark.parametrize("share", [0.5, 0.8])
@pytest.mark.parametrize("name", NAMES)
def test_a_cut_file_is_refused_and_its_beginning_is_read(
    whole: Path, name: str, share: float, tmp_path: Path
) -> None:
    path = cut(whole, name, tmp_path, share)
    says = "in the middle of a page" if name in OGG else r"promises 8\.0 s"
    for start, end in ((None, None), (1.0, 7.9)):
        with pytest.raises(InputError, match=rf"ends after .* s.* {says}.* truncated"):
            read_audio(path, RATE, start, end)
    part = read_audio(path, RATE, 1.0, 2.0)
    assert np.allclose(part, read_audio(whole / f"a.{name}", RATE, 1.0, 2.0), atol=0.02)


@pytest.mark.parametrize("name", OGG)
def test_an_ogg_file_without_its_last_page_is_told(
    whole: Path, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = (whole / f"a.{name}").read_bytes()
    path = tmp_path / f"a.{name}"
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert SECONDS - 2 < len(read_audio(path, RATE)) / RATE < SECONDS
    assert "its last page is not marked as the last" in caplog.text
    caplog.clear()
    read_audio(path, RATE, 1.0, 2.0)
    assert not caplog.text
    read_audio(path, RATE, 1.0, 8.5)
    assert "its last page is not marked as the last" in caplog.text


@pytest.mark.parametrize("name", ["mkv", "avi"])
def test_pictures_of_a_cut_file_are_refused(tmp_path: Path, name: str) -> None:
    rng, path = np.random.default_rng(0), tmp_path / f"a.{name}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for number in range(100):
            picture = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert len(read_frames(path)) == 100
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"video ends after [12]\.\d s .* promises 4\.0 s"):
        read_frames(path)
    assert len(read_frames(path, end=1.0)) == 25


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_long_wave_file_of_unknown_length_is_read_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE[:RATE], RATE, "PCM_16", format="RF64")
    data = bytearray(path.read_bytes())
    data[28:36] = size.to_bytes(8, "little")  # of ds64: how many bytes of sound there are
    path.write_bytes(bytes(data))
    assert share_there(path) == 1
