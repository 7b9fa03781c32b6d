"""Audio with openSMILE's eGeMAPS, where the user has installed it (``pip install opensmile``).

openSMILE is free for private, research and educational use only; its makers, audEERING, sell
licences for products. So it is never installed for the user.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.extractors.clip_audio import clip_audio
from preprocess.media.clip import RATE

LEVELS = {"lld": "LowLevelDescriptors", "functionals": "Functionals"}


@register_extractor("opensmile")
class OpenSmile(Extractor):
    """eGeMAPS v02: 25 descriptors 100 times a second, or 88 functionals of the whole clip."""

    modality = "audio"
    licence = "audEERING research licence: no commercial use without buying one"
    columns = ("path",)

    def __init__(self, *, level: str = "lld") -> None:
        """``level``: lld (a sequence) or functionals (one vector)."""
        if level not in LEVELS:
            raise InputError(f"opensmile: level is {level!r}, expected {' or '.join(LEVELS)}")
        library = require("opensmile", "opensmile (mind its licence)", "the opensmile extractor")
        self.smile = library.Smile(
            feature_set=library.FeatureSet.eGeMAPSv02,
            feature_level=getattr(library.FeatureLevel, LEVELS[level]),
        )
        self.dim = len(self.smile.feature_names)
        self.rate = 100.0 if level == "lld" else None
        self.version = str(library.__version__)

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """Descriptors (T, 25), or functionals (1, 88), of each clip's sound."""
        outputs: list[NDArray[np.float32] | Failure] = []
        for clip in clips:
            audio = clip_audio(self, clip)
            if isinstance(audio, np.ndarray):
                with self.stage("opensmile"):
                    table = self.smile.process_signal(audio, RATE)
                audio = self._finite(clip, table.to_numpy(dtype=np.float32))
            outputs.append(audio)
        return outputs

    def _finite(self, clip: Clip, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Descriptors that sound too short or silent leave undefined become 0, and are noted."""
        bad = int((~np.isfinite(array)).sum())
        if bad:
            self.note(clip, f"{bad} undefined numbers set to 0")
        return np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "model": f"eGeMAPSv02, opensmile {self.version}"}
