"""Any encoder of `transformers`: text, audio or image, from a local folder or the hub.

    --modality audio=hf_audio --option hf_audio.path=microsoft/wavlm-base-plus

For going beyond the paper's encoders: RoBERTa, WavLM, HuBERT, data2vec, ViT. The licence is that
of the model named. Weights are read as safetensors, or as tensors only from a pickle.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.files import weights_sha256
from mia_fairseq.pretrained.libraries import require_transformers
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.extractors.clip_audio import clip_audio
from preprocess.extractors.minilm import encode_clips
from preprocess.media.clip import RATE
from preprocess.networks.text_encoder import TextEncoder


class _Named(Extractor):
    """What the three share: the model's name, and its place in ``meta.json``."""

    licence = "that of the model named"
    path: str

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "model": self.path,
            "model_sha256": weights_sha256(Path(self.path)),
        }


def _needs_path(name: str, path: str) -> str:
    if not path:
        raise InputError(
            f"{name} runs any model of transformers: name a folder or a hub name, say --option "
            f"{name}.path=FOLDER"
        )
    return path


def _load(name: str, path: str, device: str, processor: str) -> tuple[Any, Any]:
    """A model, in float32 and evaluation mode, and what prepares its input."""
    import torch

    transformers = require_transformers(name)
    try:
        prepare = getattr(transformers, processor).from_pretrained(path)
        model = transformers.AutoModel.from_pretrained(path, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} holds no model that {name} can load ({str(error).strip().splitlines()[0]}); "
            "give a folder with config.json, weights and preprocessor_config.json, or a hub name"
        ) from error
    if getattr(model.config, "is_encoder_decoder", False):
        model = model.get_encoder()
    return prepare, model.eval().to(device)


@register_extractor("hf_text")
class HfText(_Named):
    """A text encoder: its last hidden states, special tokens included."""

    modality = "text"
    columns = ("text",)

    def __init__(self, *, path: str = "", device: str = "cpu", batch_size: str = "32") -> None:
        """``path``: a folder or a hub name."""
        self.path = _needs_path("hf_text", path)
        self.encoder = TextEncoder(path, device, int(batch_size))
        self.dim = self.encoder.dim

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """Token states (T, dim) of each clip's text; (0, dim) where the text is empty."""
        return encode_clips(self, self.encoder, clips)


@register_extractor("hf_audio")
class HfAudio(_Named):
    """A speech encoder that takes 16 kHz samples: wav2vec 2.0, HuBERT, WavLM, data2vec."""

    modality = "audio"
    columns = ("path",)

    def __init__(self, *, path: str = "", device: str = "cpu", longest: str = "30") -> None:
        """``path``: a folder or a hub name; ``longest``: seconds the encoder sees at a time."""
        self.path = _needs_path("hf_audio", path)
        self.device = device
        self.longest = int(longest) * RATE
        self.prepare, self.model = _load("hf_audio", path, device, "AutoFeatureExtractor")
        if self.prepare.sampling_rate != RATE:
            raise InputError(f"{path} wants {self.prepare.sampling_rate} Hz, not {RATE}")
        self.dim = int(self.model.config.hidden_size)
        strides = getattr(self.model.config, "conv_stride", None)
        self.rate = RATE / int(np.prod(strides)) if strides else None

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """Last hidden states (T, dim) of each clip's sound, one clip at a time."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> NDArray[np.float32] | Failure:
        import torch

        audio = clip_audio(self, clip)
        if isinstance(audio, Failure):
            return audio
        states = []
        with self.stage("encode"), torch.inference_mode():
            for first in range(0, len(audio), self.longest):
                window = audio[first : first + self.longest]
                if first and len(window) < RATE // 10:
                    self.note(clip, "its last tenth of a second is left")
                    continue
                inputs = self.prepare(window, sampling_rate=RATE, return_tensors="pt")
                hidden = self.model(**inputs.to(self.device)).last_hidden_state  # (1, T, d)
                states.append(hidden[0].float().cpu().numpy())
        return np.concatenate(states)


@register_extractor("hf_image")
class HfImage(_Named):
    """An image encoder on frames at equal intervals: one vector a frame.

    It is the encoder's own pooled output, or the mean over its patches where it has none.
    """

    modality = "video"
    columns = ("path",)

    def __init__(self, *, path: str = "", device: str = "cpu", frames: str = "8") -> None:
        """``path``: a folder or a hub name; ``frames``: how many a clip, at equal intervals."""
        self.path = _needs_path("hf_image", path)
        self.device = device
        self.frames = int(frames)
        self.prepare, self.model = _load("hf_image", path, device, "AutoImageProcessor")
        self.dim = int(self.model.config.hidden_size)

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """Vectors (frames, dim) of each clip's pictures."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> NDArray[np.float32] | Failure:
        import torch

        from preprocess.media.video_frames import frame_times, read_frames

        if clip.path is None:
            return Failure("no media file is named for it")
        with self.stage("decode"):
            there = len(frame_times(clip.path, clip.start, clip.end))
            if there == 0:
                return Failure(f"{clip.path.name} has no picture between its start and end")
            indices = np.linspace(0, there - 1, min(self.frames, there)).round().astype(int)
            pictures = read_frames(clip.path, indices, clip.start, clip.end)
        with self.stage("encode"), torch.inference_mode():
            inputs = self.prepare(images=pictures, return_tensors="pt").to(self.device)
            output = self.model(**inputs)
        vectors = getattr(output, "pooler_output", None)
        if vectors is None:
            vectors = output.last_hidden_state.mean(dim=1)
        states: NDArray[np.float32] = vectors.flatten(1).float().cpu().numpy()
        return states
