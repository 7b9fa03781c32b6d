"""What the extractors' tests share: a voice, and a stand-in for the media reader."""

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal

RATE = 16_000


def _speak(text: str) -> np.ndarray:
    """The sentence as espeak-ng says it: (N,) float32 at 16 kHz. Skips where there is no espeak."""
    package = pytest.importorskip("espeakng_loader", reason="pip install espeakng-loader")
    library = ctypes.CDLL(package.get_library_path())
    rate = library.espeak_Initialize(2, 0, str(package.get_data_path()).encode(), 0)
    pieces: list[np.ndarray] = []
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
    )

    def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: object) -> int:
        if count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = kind(collect)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(b"en-us")
    spoken = text.encode()
    library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, 1, None, None)
    library.espeak_Synchronize()
    audio = np.concatenate(pieces).astype(np.float32) / 32768
    return scipy.signal.resample_poly(audio, 320, rate * 320 // RATE).astype(np.float32)


def _read_array(
    path: Path, rate: int = RATE, start: float | None = None, end: float | None = None
) -> np.ndarray:
    """Stands in for ``preprocess.media.read_audio``: samples out of a .npy file at 16 kHz."""
    audio: np.ndarray = np.load(path)
    return audio[int((start or 0) * rate) : None if end is None else int(end * rate)]


@pytest.fixture(scope="session")
def speak() -> Callable[[str], np.ndarray]:
    """A sentence to its sound, (N,) float32 at 16 kHz."""
    return _speak


@pytest.fixture
def arrays_for_media(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound and pictures come from .npy files: the extractors are tested by themselves."""
    media = SimpleNamespace(
        read_audio=_read_array,
        frame_times=lambda path, start=None, end=None: np.arange(len(np.load(path))) / 10,
        read_frames=lambda path, indices, start=None, end=None: list(np.load(path)[indices]),
    )
    monkeypatch.setitem(sys.modules, "preprocess.media", media)  # type: ignore[arg-type]
