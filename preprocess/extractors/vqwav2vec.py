"""Audio as in the paper's feature set F (Section 3.1.2): vq-wav2vec codes, then RoBERTa on them.

16 kHz sound goes through vq-wav2vec's convolutions and its two k-means code books: 100 pairs of
codes a second. A pair is a word, "17-301"; the speech RoBERTa's own dictionary gives its number.
"""

from collections.abc import Sequence

import numpy as np

from preprocess.audio import clip_audio
from preprocess.batching import in_batches
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.fairseq_models import FAIRSEQ_URL, load_roberta, load_wav2vec, released_folder
from preprocess.files import sha256_of

POSITIONS = 2048
URLS = (
    f"{FAIRSEQ_URL}/wav2vec/vq-wav2vec_kmeans.pt",
    f"{FAIRSEQ_URL}/wav2vec/bert_kmeans.tar",
)
FILES = ("vq-wav2vec_kmeans.pt", "bert_kmeans.pt", "dict.txt")
SHORTEST = 465  # samples: what the convolutions see at once (kernels 10, 8, 4, 4, 4)


@register_extractor("vqwav2vec")
class VqWav2vec(Extractor):
    """The speech RoBERTa's last states, 768-d, ``<s>`` first; the paper keeps that one."""

    modality = "audio"
    licence = "MIT"
    columns = ("path",)

    def __init__(self, *, folder: str | None = None, device: str = "cpu") -> None:
        """``folder``: has vq-wav2vec_kmeans.pt, bert_kmeans.pt and dict.txt; default: fetched."""
        self.folder = released_folder(folder, "vq-wav2vec", URLS, FILES)
        self.device = device
        self.wav2vec = load_wav2vec(self.folder / FILES[0]).to(device)
        self.roberta = load_roberta(self.folder, FILES[1], bpe=None).to(device)
        self.dictionary = self.roberta.task.source_dictionary
        self.limit = min(POSITIONS, int(self.roberta.model.max_positions()))
        self.dim = int(self.roberta.model.encoder.sentence_encoder.embed_tokens.embedding_dim)

    def extract(self, clips: Sequence[Clip]) -> list[np.ndarray | Failure]:
        """States (T, dim) of each clip's codes with ``<s>`` and ``</s>``."""
        outputs: list[np.ndarray | Failure] = []
        for clip in clips:
            audio = clip_audio(self, clip)
            if isinstance(audio, np.ndarray) and len(audio) < SHORTEST:
                audio = Failure(f"its sound has {len(audio)} samples, fewer than {SHORTEST}")
            if isinstance(audio, Failure):
                outputs.append(audio)
                continue
            with self.stage("vq-wav2vec"):
                codes = self.codes(audio)
            with self.stage("code roberta"):
                row = self._tokens(clip, codes)
                pad = self.dictionary.pad()
                outputs += in_batches([row], pad, self.limit, 1, self.roberta.extract_features)
        return outputs

    def codes(self, audio: np.ndarray) -> np.ndarray:
        """Code pairs of (N,) float32 sound at 16 kHz: (T, groups) int64, T about N / 160."""
        import torch

        with torch.inference_mode():
            sound = torch.from_numpy(audio).to(self.device)[None]  # (1, N)
            _, indices = self.wav2vec.vector_quantizer.forward_idx(
                self.wav2vec.feature_extractor(sound)
            )
        pairs: np.ndarray = indices[0].cpu().numpy()
        return pairs

    def _tokens(self, clip: Clip, codes: np.ndarray) -> list[int]:
        words = " ".join("-".join(map(str, pair)) for pair in codes)
        row: list[int] = self.dictionary.encode_line(
            words, append_eos=False, add_if_not_exist=False
        ).tolist()
        unknown = row.count(self.dictionary.unk())
        if unknown:
            self.note(clip, f"{unknown} of {len(row)} codes are not in the dictionary")
        if len(row) > self.limit - 2:
            self.note(clip, f"codes cut from {len(row)} to {self.limit - 2}")
        return [self.dictionary.bos(), *row[: self.limit - 2], self.dictionary.eos()]

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "model": "vq-wav2vec k-means, then RoBERTa-base on its codes",
            "model_sha256": sha256_of(self.folder / FILES[1]),
            "codes_sha256": sha256_of(self.folder / FILES[0]),
        }
