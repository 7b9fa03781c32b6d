"""Text as token ids, for an encoder that learns together with the fusion.

    --modality text=minilm_tokens --option text.lower=yes

Such a modality needs an encoder that reads the same ids (``--encoder text=hf:minilm``). Nothing is
cut here: how much an encoder sees is decided when it reads the data.
"""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of_all
from mia_fairseq.pretrained.model_list import MODELS
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor
from preprocess.extractors.roberta_large import find_roberta
from preprocess.networks.text_tokenizer import RobertaTokenizer, TextTokenizer
from preprocess.networks.tokenizer_file import TOKENIZER_FILE, TokenizerFile

SWITCH = {"yes": True, "no": False}


class TextTokens(Extractor):
    """The ids of a clip's words, start and end symbol included; none of a clip without words."""

    modality = "text"
    kind = "tokens"
    columns = ("text",)
    lower: bool  # whether the words are put into lower case first

    def __init__(self, lower: str) -> None:
        if lower not in SWITCH:
            raise InputError(f"{self.name}: lower is {lower!r}, expected yes or no")
        self.lower = SWITCH[lower]

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of a text that is not empty."""

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[np.int32] | Failure]:
        """Ids (T,) int32 of each clip's text; (0,) where the text is empty."""
        outputs: list[NDArray[np.int32] | Failure] = []
        for clip in clips:
            text = clip.text or ""
            if not text.strip():
                self.note(clip, "no words, so no tokens")
                outputs.append(np.zeros(0, np.int32))
                continue
            outputs.append(np.array(self.encode(text.lower() if self.lower else text), np.int32))
        return outputs


class TransformersTokens(TextTokens):
    """Tokens by a tokenizer of transformers, out of a folder."""

    reads: ClassVar[type[TextTokenizer | TokenizerFile]] = TextTokenizer

    def __init__(self, folder: Path, lower: str) -> None:
        super().__init__(lower)
        self.tokenizer = self.reads(folder)
        self.dim = self.tokenizer.size

    def encode(self, text: str) -> list[int]:
        """The ids of a text, by the tokenizer's own rules."""
        return self.tokenizer.encode(text)[0]

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "pad": self.tokenizer.pad,
            "dictionary": "transformers",
            "tokenizer": {"sha256": self.tokenizer.sha256(), "lower": self.lower},
        }

    def dictionary_text(self) -> str:
        return self.tokenizer.dictionary_text()


@register_extractor("minilm_tokens")
class MiniLMTokens(TransformersTokens):
    """Word pieces of all-MiniLM-L6-v2: BERT's uncased vocabulary, 30,522 ids."""

    licence = MODELS["minilm"].licence
    reads = TokenizerFile  # without transformers, which takes seconds to import

    def __init__(self, *, lower: str = "no") -> None:
        """``lower``: yes or no; this tokenizer ignores case by itself."""
        super().__init__(fetch_model("minilm", only=(TOKENIZER_FILE,)), lower)


@register_extractor("mpnet_tokens")
class MPNetTokens(TransformersTokens):
    """Word pieces of all-mpnet-base-v2: 30,527 ids."""

    licence = MODELS["mpnet"].licence
    reads = TokenizerFile

    def __init__(self, *, lower: str = "no") -> None:
        """``lower``: yes or no; this tokenizer ignores case by itself."""
        super().__init__(fetch_model("mpnet", only=(TOKENIZER_FILE,)), lower)


@register_extractor("hf_tokens")
class HfTokens(TransformersTokens):
    """Tokens by any tokenizer of `transformers`, out of a local folder."""

    licence = "that of the model named"

    def __init__(self, *, folder: str = "", lower: str = "no") -> None:
        """``folder``: has the tokenizer's files; ``lower``: yes puts the words into lower case."""
        if not Path(folder).is_dir() or not folder:
            raise InputError(
                f"hf_tokens: {folder!r} is no folder, expected one with a tokenizer of "
                "transformers; say --option hf_tokens.folder=FOLDER"
            )
        super().__init__(Path(folder), lower)


@register_extractor("roberta_tokens")
class RobertaTokens(TextTokens):
    """GPT-2's byte pairs by the numbers of a fairseq RoBERTa, for the paper's text encoder.

    MOSI's transcripts are upper case, which these cut into many pieces: ``lower=yes``.
    """

    licence = "MIT"

    def __init__(self, *, folder: str | None = None, lower: str = "no") -> None:
        """Loads the byte pairs.

        Args:
            folder: has the RoBERTa's dict.txt, and encoder.json with vocab.bpe if it has them; by
                default RoBERTa-large is fetched.
            lower: yes puts the words into lower case.
        """
        super().__init__(lower)
        self.tokenizer = RobertaTokenizer(find_roberta(folder, "dict.txt"))
        self.dim = len(self.tokenizer.dictionary)

    def encode(self, text: str) -> list[int]:
        """The ids of a text between ``<s>`` and ``</s>``."""
        return self.tokenizer.encode(text)

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "pad": self.tokenizer.dictionary.pad(),
            "dictionary": "fairseq",
            "tokenizer": {"sha256": sha256_of_all(self.tokenizer.files), "lower": self.lower},
        }

    def dictionary_text(self) -> str:
        return self.tokenizer.files[-1].read_text(encoding="utf-8")
