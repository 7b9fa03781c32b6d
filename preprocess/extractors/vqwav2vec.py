"""Audio as in the paper's feature set F (Section 3.1.2): vq-wav2vec codes, then RoBERTa on them.

16 kHz sound goes through vq-wav2vec's convolutions and its two k-means code books: 100 pairs of
codes a second. A pair is a word, "17-301"; the speech RoBERTa's own dictionary gives its number.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.files import sha256_of, sha256_of_all
from mia_fairseq.pretrained.fairseq_checkpoints import load_dictionary, load_roberta, load_wav2vec
from mia_fairseq.pretrained.released_files import FAIRSEQ_URL, released_folder
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.extractors.clip_audio import clip_audio
from preprocess.networks.batching import in_batches

POSITIONS = 2048
URLS = (
    f"{FAIRSEQ_URL}/wav2vec/vq-wav2vec_kmeans.pt",
    f"{FAIRSEQ_URL}/wav2vec/bert_kmeans.tar",
)
CODES, ROBERTA, WORDS = "vq-wav2vec_kmeans.pt", "bert_kmeans.pt", "dict.txt"
SHORTEST = 465  # samples: what the convolutions see at once (kernels 10, 8, 4, 4, 4)


def find_speech(folder: str | None, *needed: str) -> Path:
    """The folder of vq-wav2vec and the speech RoBERTa, the user's own or fetched.

    Args:
        folder: the user's, searched at any depth; None: fetch.
        needed: file names; by default all three.
    """
    return released_folder(folder, "vq-wav2vec", URLS, needed or (CODES, ROBERTA, WORDS))


class SpeechCodes(Extractor):
    """What both extractors here do first: a clip's sound to the numbers of its codes."""

    modality = "audio"
    licence = "MIT"
    columns = ("path",)

    def __init__(self, folder: str | None, device: str, needed: Sequence[str]) -> None:
        """``needed``: the files that must be in the folder; it is fetched where none is named."""
        self.folder = find_speech(folder, *needed)
        self.device = device
        self.wav2vec = load_wav2vec(self.folder / CODES).to(device)
        self.words = load_dictionary(self.folder / WORDS)

    def ids(self, clip: Clip) -> list[int] | Failure:
        """The code pairs of a clip by the RoBERTa's dictionary, without ``<s>`` and ``</s>``."""
        audio = clip_audio(self, clip)
        if isinstance(audio, np.ndarray) and len(audio) < SHORTEST:
            return Failure(f"its sound has {len(audio)} samples, fewer than {SHORTEST}")
        if isinstance(audio, Failure):
            return audio
        with self.stage("vq-wav2vec"):
            line = " ".join("-".join(map(str, pair)) for pair in self.codes(audio))
        ids: list[int] = self.words.encode_line(
            line, append_eos=False, add_if_not_exist=False
        ).tolist()
        unknown = ids.count(self.words.unk())
        if unknown:
            self.note(clip, f"{unknown} of {len(ids)} codes are not in the dictionary")
        return ids

    def codes(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Code pairs of (N,) float32 sound at 16 kHz: (T, groups) int64, T about N / 160."""
        import torch

        with torch.inference_mode():
            sound = torch.from_numpy(audio).to(self.device)[None]  # (1, N)
            _, indices = self.wav2vec.vector_quantizer.forward_idx(
                self.wav2vec.feature_extractor(sound)
            )
        pairs: NDArray[np.int64] = indices[0].cpu().numpy()
        return pairs

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "codes_sha256": sha256_of(self.folder / CODES)}


@register_extractor("vqwav2vec")
class VqWav2vec(SpeechCodes):
    """The speech RoBERTa's last states, 768-d, ``<s>`` first; the paper keeps that one."""

    def __init__(self, *, folder: str | None = None, device: str = "cpu") -> None:
        """``folder``: has vq-wav2vec_kmeans.pt, bert_kmeans.pt and dict.txt; default: fetched."""
        super().__init__(folder, device, (CODES, ROBERTA, WORDS))
        self.roberta = load_roberta(self.folder, ROBERTA).to(device)
        self.limit = min(POSITIONS, int(self.roberta.model.max_positions()))
        self.dim = int(self.roberta.model.encoder.sentence_encoder.embed_tokens.embedding_dim)

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """States (T, dim) of each clip's codes with ``<s>`` and ``</s>``."""
        outputs: list[NDArray[np.float32] | Failure] = []
        for clip in clips:
            ids = self.ids(clip)
            if isinstance(ids, Failure):
                outputs.append(ids)
                continue
            if len(ids) > self.limit - 2:
                self.note_cut(clip, "codes", len(ids), self.limit - 2)
            row = [self.words.bos(), *ids[: self.limit - 2], self.words.eos()]
            with self.stage("code roberta"):
                forward = self.roberta.extract_features
                outputs += in_batches([row], self.words.pad(), self.limit, 1, forward)
        return outputs

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "model": "vq-wav2vec k-means, then RoBERTa-base on its codes",
            "model_sha256": sha256_of(self.folder / ROBERTA),
        }


@register_extractor("vqwav2vec_codes")
class VqWav2vecCodes(SpeechCodes):
    """The codes themselves, for a speech RoBERTa that learns together with the fusion.

    They are 100 a second between ``<s>`` and ``</s>``, never cut here.
    """

    kind = "tokens"
    rate = 100.0

    def __init__(self, *, folder: str | None = None, device: str = "cpu") -> None:
        """``folder``: has vq-wav2vec_kmeans.pt and the RoBERTa's dict.txt; default: fetched."""
        super().__init__(folder, device, (CODES, WORDS))
        self.dim = len(self.words)

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.int32] | Failure]:
        """Ids (T,) int32 of each clip's codes with ``<s>`` and ``</s>``."""
        rows = [self.ids(clip) for clip in clips]
        return [row if isinstance(row, Failure) else self._framed(row) for row in rows]

    def _framed(self, ids: list[int]) -> NDArray[np.int32]:
        return np.array([self.words.bos(), *ids, self.words.eos()], np.int32)

    def describe(self) -> dict[str, object]:
        files = [self.folder / CODES, self.folder / WORDS]
        return {
            **super().describe(),
            "pad": self.words.pad(),
            "dictionary": "fairseq",
            "tokenizer": {"sha256": sha256_of_all(files)},
        }

    def dictionary_text(self) -> str:
        return (self.folder / WORDS).read_text(encoding="utf-8")
