"""Whisper's encoder in torch: the states of CTranslate2's own, and each layer before the last."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.media import speech
from preprocess.networks.ctranslate2_weights import read_weights
from preprocess.networks.whisper_encoder import WhisperEncoder


def test_the_last_states_are_ctranslate2s(stored_model: Callable[[str], Path]) -> None:
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper")
    encoder = WhisperEncoder(stored_model("whisper") / "model.bin")
    assert (encoder.dim, encoder.layers) == (384, 4)
    whisper = speech.whisper()
    time = np.arange(5 * 16000) / 16000
    audio = np.sin(2 * np.pi * 200 * time**1.2) * np.exp(-time) * 0.3
    mel = whisper.feature_extractor(audio.astype(np.float32), padding=0)
    states = encoder.states(mel)
    assert states.shape == (5, 250, 384) and states.dtype == np.float32
    expected = speech.last_states(whisper, mel)
    assert np.abs(states[-1] - expected).max() < 1e-3 * expected.std()


def model_file(path: Path, tensors: dict[str, np.ndarray], version: int = 6) -> Path:
    """The format written down by hand, from its description."""

    def name(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    content = struct.pack("<I", version) + name("Spec") + struct.pack("<II", 3, len(tensors))
    for key, array in tensors.items():
        code = {"float32": 0, "int8": 1, "float16": 4}[array.dtype.name]
        shape = b"".join(struct.pack("<I", size) for size in array.shape)
        content += name(key) + struct.pack("<B", array.ndim) + shape
        content += struct.pack("<BI", code, array.nbytes) + array.tobytes()
    path.write_bytes(content + struct.pack("<I", 0))
    return path


def test_tensors_come_back_and_broken_files_are_told(tmp_path: Path) -> None:
    tensors = {
        "a/w": np.arange(6, dtype=np.float16).reshape(2, 3),
        "b/w": np.ones(4, np.float32),
        "a/n": np.array(7, np.int8),
    }
    path = model_file(tmp_path / "model.bin", tensors)
    got = read_weights(path, lambda name: name.startswith("a/"))
    assert list(got) == ["a/w", "a/n"] and got["a/w"].dtype == np.float32
    assert np.array_equal(got["a/w"], tensors["a/w"]) and int(got["a/n"]) == 7
    with pytest.raises(InputError, match="holds no Whisper encoder in floating point"):
        WhisperEncoder(path)
    content = path.read_bytes()
    for size in (2, 9, 40, 60):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"cut short|is no whole CTranslate2 model"):
            read_weights(path, lambda name: True)
    with pytest.raises(InputError, match="its format has version 5, expected 6"):
        read_weights(model_file(path, tensors, 5), lambda name: True)
    with pytest.raises(InputError, match="the model cannot be read"):
        read_weights(tmp_path / "none.bin", lambda name: True)
