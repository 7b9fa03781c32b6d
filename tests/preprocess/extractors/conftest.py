"""What the extractors' tests share: a voice, and a stand-in for the media reader."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal
from fairseq.data.encoders.gpt2_bpe_utils import get_encoder
from fairseq.models.roberta import RobertaModel
from fairseq.models.wav2vec.wav2vec import Wav2VecModel
from released import WORDS, small_roberta, small_vq_wav2vec

from examples.demo_corpus import talking_head as demo_media
from preprocess.extractors.base import discover

RATE = 16_000


def _read_array(
    path: Path, rate: int = RATE, start: float | None = None, end: float | None = None
) -> np.ndarray:
    """Stands in for ``streams.read_audio``: samples out of a .npy file at 16 kHz."""
    audio: np.ndarray = np.load(path)
    return audio[int((start or 0) * rate) : None if end is None else int(end * rate)]


@pytest.fixture(scope="session")
def speak() -> Callable[[str], np.ndarray]:
    """A sentence to its sound, (N,) float32 at 16 kHz, as espeak-ng says it."""
    pytest.importorskip("espeakng_loader", reason="pip install espeakng-loader")

    def say(text: str) -> np.ndarray:
        samples = demo_media.speak(text, words_a_minute=160, pitch=50, pitch_range=50)
        up, down = 320, demo_media.SAMPLE_RATE * 320 // RATE
        return scipy.signal.resample_poly(samples, up, down).astype(np.float32)

    return say


@pytest.fixture
def arrays_for_media(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound and pictures come from .npy files: the extractors are tested by themselves."""
    discover()  # what imports the real reader by name does so first
    media = SimpleNamespace(
        read_audio=_read_array,
        frame_times=lambda path, start=None, end=None: np.arange(len(np.load(path))) / 10,
        read_frames=lambda path, indices, start=None, end=None: list(np.load(path)[indices]),
    )
    for module in ("streams", "video_frames"):
        name = f"preprocess.media.{module}"
        importlib.import_module(name)  # so that its package has it
        monkeypatch.setitem(sys.modules, name, media)  # type: ignore[arg-type]


@pytest.fixture
def release(tmp_path: Path, stored_model: Callable[[str], Path]) -> tuple[Path, RobertaModel]:
    """A small ``roberta.large`` with the true GPT-2 byte pairs of some words in its dictionary."""
    bpe = stored_model("gpt2_bpe")
    encoder = get_encoder(str(bpe / "encoder.json"), str(bpe / "vocab.bpe"))
    texts = [WORDS, WORDS.lower(), WORDS.upper(), " well" * 3]
    pieces = sorted({str(piece) for text in texts for piece in encoder.encode(text)})
    folder = tmp_path / "roberta.large"
    folder.mkdir()
    return folder, small_roberta(folder, "model.pt", pieces, 512)


@pytest.fixture
def speech_release(tmp_path: Path) -> tuple[Path, Wav2VecModel, RobertaModel]:
    folder = tmp_path / "vq"
    folder.mkdir()
    pairs = [f"{a}-{b}" for a in range(5) for b in range(5) if (a, b) != (4, 4)]
    return folder, small_vq_wav2vec(folder), small_roberta(folder, "bert_kmeans.pt", pairs, 2048)
