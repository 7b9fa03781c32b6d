"""Sound in memory: answered as its file is, or refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mia_fairseq import load_model
from mia_fairseq.errors import InputError
from mia_fairseq.predict.clips import clip_of_sound
from mia_fairseq.predict.networks.torch_network import find_device
from mia_fairseq.predict.predictor import Predictor


@pytest.fixture(scope="module")
def voice() -> Predictor:
    return load_model("voice")


def rising(rate: int) -> np.ndarray:
    """Two seconds of a tone that rises, (2 * rate,)."""
    seconds = np.arange(2 * rate) / rate
    return (0.3 * np.sin(2 * np.pi * (120 + 40 * seconds) * seconds)).astype(np.float32)


def test_sound_is_answered_as_its_file_is(voice: Predictor, tmp_path: Path) -> None:
    samples = (rising(16_000) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "tone.wav", samples, 16_000)
    stereo = np.stack([samples, samples], axis=1) / np.float32(32768)
    answers = voice.predict([samples, tmp_path / "tone.wav", stereo])
    assert [Path(answer.id).name for answer in answers] == ["sound-1", "tone.wav", "sound-3"]
    for answer in answers:
        assert not answer.missing and answer.probabilities == pytest.approx(
            answers[1].probabilities, abs=1e-6
        )


def test_another_rate_is_brought_to_16_khz() -> None:
    clip = clip_of_sound(rising(48_000), 48_000, "a")
    inside = slice(200, -200)  # a filter rings at the ends
    assert clip.samples.shape == (32_000,)
    assert clip.samples[inside] == pytest.approx(rising(16_000)[inside], abs=2e-3)


@pytest.mark.parametrize(
    ("sound", "rate", "words"),
    [
        (np.zeros(0, np.float32), 16_000, "expected samples"),
        (np.zeros((2, 16_000), np.float32), 16_000, "expected samples"),
        (np.zeros(9, complex), 16_000, "expected floats"),
        (np.full(9, 3000.0), 16_000, r"reaches 3000, expected numbers in \[-1, 1\]"),
        (np.full(9, np.nan), 16_000, "reaches nan"),
        (np.zeros(9), 16_000.5, "rate is 16000.5"),
    ],
)
def test_what_is_no_sound_is_refused(sound: np.ndarray, rate: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        clip_of_sound(sound, rate, "sound-1")


def test_one_text_for_two_sounds_is_refused(voice: Predictor) -> None:
    with pytest.raises(InputError, match="for 2 clips"):
        voice.predict([rising(16_000), rising(16_000)], text="so good")


def test_a_model_runs_where_it_is_told_to(checkpoint: Path) -> None:
    assert Predictor(checkpoint, device="cpu").network.device.type == "cpu"
    assert find_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="device is 'meta', which torch does not have here"):
        find_device("meta")
    with pytest.raises(InputError, match="device is 'nowhere', which torch does not have here"):
        load_model("sentiment-small", device="nowhere")
