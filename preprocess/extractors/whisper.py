"""Audio with Whisper's encoder: tiny.en (in the embedded feature set), base, or another.

Its last layer by default; which words are said fills that one, how they are said the middle ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.model_list import MODELS
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.extractors.clip_audio import clip_audio
from preprocess.media import speech

if TYPE_CHECKING:
    from preprocess.networks.whisper_encoder import WhisperEncoder


@register_extractor("whisper")
class Whisper(Extractor):
    """384-d at 50 Hz of tiny.en. One clip at a time: a batch would save nothing on a CPU."""

    modality = "audio"
    stored = "whisper"  # in the list of models
    licence = MODELS[stored].licence
    columns = ("path",)
    dim = speech.DIM
    rate = speech.FRAME_RATE

    def __init__(
        self, *, device: str = "cpu", pad_to: str = "5", layer: str = "last", folder: str = ""
    ) -> None:
        """Loads the encoder.

        Args:
            device: cpu, cuda, or one of several such as cuda:1.
            pad_to: seconds, see `preprocess.media.speech.encode`; 30 is Whisper's own.
            layer: last, or the number of the block whose states are wanted, 0 what the first one
                reads; of several, such as 2,3,4, the states stand side by side in one vector.
            folder: of a Whisper in CTranslate2's format, say one of several languages; by default
                tiny.en, which learnt from English.
        """
        if not pad_to.isdigit() or not 0 < int(pad_to) <= speech.LONGEST:
            raise InputError(f"whisper: pad_to is {pad_to!r}, expected 1 to {speech.LONGEST}")
        self.pad_to = int(pad_to)
        self.own = Path(folder) if folder else None
        in_the_box = self.own is None and self.stored == "whisper"  # as word hearers know it
        self.folder = self.own or fetch_model(self.stored)
        self.model = speech.whisper(device, folder=None if in_the_box else self.folder)
        if self.own is not None:
            self.dim = speech.width(self.model)
        self.layers: list[int] = []
        self.encoder: WhisperEncoder | None = None
        if layer != "last":
            self.encoder = _every_layer(device, self.folder)
            numbers = layer.split(",")
            if not all(_is_layer(number, self.encoder.layers) for number in numbers):
                raise InputError(
                    f"whisper: layer is {layer!r}, expected last, one of 0 to "
                    f"{self.encoder.layers}, or several of them with commas"
                )
            self.layers = [int(number) for number in numbers]
            self.dim *= len(self.layers)

    @classmethod
    def runs_on(cls, device: str) -> bool:
        """Whether CTranslate2 has it, which knows fewer devices than torch."""
        return speech.runs_on(device)

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """Encoder states (T, 384) of each clip's sound."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> NDArray[np.float32] | Failure:
        audio = clip_audio(self, clip)
        if isinstance(audio, Failure):
            return audio
        with self.stage("whisper"):
            return speech.encode(self.model, audio, self.pad_to, self._layer_states)

    def _layer_states(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, dim) of (80, 2 T) log-mel frames."""
        if self.encoder is None:
            return speech.last_states(self.model, mel)
        states = self.encoder.states(mel)
        return np.concatenate([states[layer] for layer in self.layers], axis=1)

    def describe(self) -> dict[str, object]:
        model, told = MODELS[self.stored], super().describe()
        if self.own is not None:
            told["licence"] = "that of the model named"
        return {
            **told,
            "model": model.what if self.own is None else str(self.own),
            "model_sha256": (
                model.files["model.bin"].sha256
                if self.own is None
                else sha256_of(self.own / "model.bin")
            ),
            **({} if self.encoder is None else {"layer": _told(self.layers)}),
        }


@register_extractor("whisper_base")
class WhisperBase(Whisper):
    """512-d at 50 Hz of Whisper base, of 99 languages; 150 MB to fetch."""

    stored = "whisper_base"
    licence = MODELS[stored].licence
    dim = 512


def _is_layer(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= most


def _told(layers: list[int]) -> int | str:
    """As a number if it is one: so schemas told it before there could be several."""
    return layers[0] if len(layers) == 1 else ",".join(str(layer) for layer in layers)


def _every_layer(device: str, folder: Path) -> "WhisperEncoder":
    from preprocess.networks.whisper_encoder import WhisperEncoder  # needs torch

    return WhisperEncoder(folder / "model.bin", device)
