"""Audio with Whisper tiny.en's encoder, the speech part of the embedded feature set."""

from collections.abc import Sequence

import numpy as np

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.model_list import MODELS
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.media import speech
from preprocess.media.clip_audio import clip_audio


@register_extractor("whisper")
class Whisper(Extractor):
    """384-d at 50 Hz. One clip at a time: a batch would save nothing on a CPU."""

    modality = "audio"
    licence = MODELS["whisper"].licence
    columns = ("path",)
    dim = speech.DIM
    rate = speech.FRAME_RATE

    def __init__(self, *, device: str = "cpu", pad_to: str = "5") -> None:
        """``pad_to``: seconds, see `preprocess.media.speech.encode`; 30 is Whisper's own."""
        if not pad_to.isdigit() or not 0 < int(pad_to) <= speech.LONGEST:
            raise InputError(f"whisper: pad_to is {pad_to!r}, expected 1 to {speech.LONGEST}")
        self.pad_to = int(pad_to)
        self.model = speech.whisper(device)

    def extract(self, clips: Sequence[Clip]) -> list[np.ndarray | Failure]:
        """Encoder states (T, 384) of each clip's sound."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> np.ndarray | Failure:
        audio = clip_audio(self, clip)
        if isinstance(audio, Failure):
            return audio
        with self.stage("whisper"):
            return speech.encode(self.model, audio, self.pad_to)

    def describe(self) -> dict[str, object]:
        model = MODELS["whisper"]
        return {
            **super().describe(),
            "model": model.what,
            "model_sha256": model.files["model.bin"].sha256,
        }
