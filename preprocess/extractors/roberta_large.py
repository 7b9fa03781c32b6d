"""Text with RoBERTa-large, as in the paper's feature set F (Section 3.1.1): 1024-d, GPT-2 BPE."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.fairseq_checkpoints import load_roberta
from mia_fairseq.pretrained.released_files import FAIRSEQ_URL, released_folder
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.networks.batching import in_batches
from preprocess.networks.text_tokenizer import RobertaTokenizer

CASES: dict[str, Callable[[str], str]] = {"keep": str, "lower": str.lower, "upper": str.upper}
POSITIONS = 512


def find_roberta(folder: str | None, *needed: str) -> Path:
    """The folder of RoBERTa-large, the user's own or fetched, with the files that are needed."""
    url = f"{FAIRSEQ_URL}/models/roberta.large.tar.gz"
    return released_folder(folder, "roberta.large", [url], needed)


@register_extractor("roberta_large")
class RobertaLarge(Extractor):
    """The last layer's states, ``<s>`` first; the paper keeps that one (``--pool first``)."""

    modality = "text"
    licence = "MIT"
    columns = ("text",)

    def __init__(
        self,
        *,
        folder: str | None = None,
        case: str = "keep",
        device: str = "cpu",
        batch_size: str = "16",
    ) -> None:
        """Options, all as strings.

        ``folder``: the unpacked ``roberta.large`` (model.pt, dict.txt, and encoder.json with
        vocab.bpe if it has them); by default it is fetched. ``case``: keep, lower or upper;
        MOSI's transcripts are upper case, which GPT-2's BPE cuts into many pieces.
        """
        if case not in CASES:
            raise InputError(f"roberta_large: case is {case!r}, expected {', '.join(CASES)}")
        self.case = case
        self.batch_size = int(batch_size)
        self.folder = find_roberta(folder, "model.pt", "dict.txt")
        self.tokenizer = RobertaTokenizer(self.folder)
        self.roberta = load_roberta(self.folder, "model.pt").to(device)
        self.limit = min(POSITIONS, int(self.roberta.model.max_positions()))
        self.dim = int(self.roberta.model.encoder.sentence_encoder.embed_tokens.embedding_dim)

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.float32] | Failure]:
        """States (T, dim) of each text's byte pairs with ``<s>`` and ``</s>``."""
        rows = []
        spoken = [index for index, clip in enumerate(clips) if clip.text and clip.text.strip()]
        for index in spoken:
            tokens = self.tokenizer.encode(CASES[self.case](clips[index].text or ""))
            if len(tokens) > self.limit:
                self.note_cut(clips[index], "text", len(tokens), self.limit)
                tokens = [*tokens[: self.limit - 1], tokens[-1]]
            rows.append(tokens)
        outputs: list[NDArray[np.float32] | Failure] = [
            np.zeros((0, self.dim), dtype=np.float32) for _ in clips
        ]
        pad = self.tokenizer.dictionary.pad()
        states = in_batches(rows, pad, self.limit, self.batch_size, self.roberta.extract_features)
        for index, state in zip(spoken, states, strict=True):
            outputs[index] = state
        for index in set(range(len(clips))) - set(spoken):
            self.note(clips[index], "no words, so no text vector")
        return outputs

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "model": "RoBERTa-large of fairseq",
            "model_sha256": sha256_of(self.folder / "model.pt"),
            "case": self.case,
        }
