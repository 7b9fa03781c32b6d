"""Text with MiniLM, the small sentence encoder of the embedded feature set.

transformers runs it: its BERT is kept up and tested by others, and the very same library serves
every other text encoder a user may name (`hf_text`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.model_list import MODELS
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.networks.text_encoder import TextEncoder


class StoredTextEncoder(Extractor):
    """A text encoder of the model store: one vector a word piece, `[CLS]` first, `[SEP]` last.

    Pooled by ``mean`` it gives the sentence vector its authors trained (before normalisation); a
    clip without a word gives no vector at all. Texts beyond 512 word pieces are cut, and noted.
    """

    modality = "text"
    columns = ("text",)
    stored: str  # its name in the model store

    def __init__(self, *, device: str = "cpu", batch_size: str = "32") -> None:
        """``device``: where torch runs it; ``batch_size``: texts a forward pass."""
        self.folder = fetch_model(self.stored)
        self.encoder = TextEncoder(self.folder, device, int(batch_size))
        self.dim = self.encoder.dim

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """Word-piece states (T, dim) of each clip's text; (0, dim) where the text is empty."""
        return encode_clips(self, self.encoder, clips)

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "model": MODELS[self.stored].what,
            "model_sha256": sha256_of(self.folder / "model.safetensors"),
        }


def encode_clips(
    extractor: Extractor, encoder: TextEncoder, clips: Sequence[Clip]
) -> list[NDArray[np.float32] | Failure]:
    """Runs the clips' texts through an encoder, noting on the extractor what was cut or empty.

    Args:
        extractor: gets the notes.
        encoder: of texts.
        clips: whose texts are encoded.

    Returns:
        Of each clip (1, dim), or why there is none.
    """
    states: list[NDArray[np.float32] | Failure] = [
        np.zeros((0, encoder.dim), dtype=np.float32) for _ in clips
    ]
    spoken = [index for index, clip in enumerate(clips) if clip.text and clip.text.strip()]
    arrays, lengths = encoder.encode([clips[index].text or "" for index in spoken])
    for index, array, length in zip(spoken, arrays, lengths, strict=True):
        states[index] = array
        if length > encoder.limit:
            extractor.note_cut(clips[index], "text", length, encoder.limit)
    for index in set(range(len(clips))) - set(spoken):
        extractor.note(clips[index], "no words, so no text vector")
    return states


@register_extractor("minilm")
class MiniLM(StoredTextEncoder):
    """all-MiniLM-L6-v2: 384-d, 22.7 M parameters."""

    licence = MODELS["minilm"].licence
    stored = "minilm"


@register_extractor("mpnet")
class MPNet(StoredTextEncoder):
    """all-mpnet-base-v2: 768-d, 109 M parameters; 405 MB to fetch."""

    licence = MODELS["mpnet"].licence
    stored = "mpnet"
