"""Sizes of the paper's encoders as they were released, and of the corpora's utterances."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mia_fairseq.encoders.roberta_encoder import settings_of

CODES_A_SECOND, FRAMES_A_SECOND, TOKENS_A_WORD = 100, 30, 1.3


@dataclass(frozen=True)
class RobertaShape:
    """Sizes of a RoBERTa; `vocabulary` counts the special symbols."""

    layers: int
    dim: int
    heads: int
    positions: int
    vocabulary: int

    def settings(self) -> dict[str, Any]:
        """As `RobertaEncoder.untrained` takes them."""
        own = {"encoder_layers": self.layers, "encoder_embed_dim": self.dim}
        own |= {"encoder_ffn_embed_dim": 4 * self.dim, "encoder_attention_heads": self.heads}
        return settings_of({**own, "max_positions": self.positions}, self.vocabulary)


ROBERTAS = {
    "text": RobertaShape(24, 1024, 16, 512, 50265),  # RoBERTa-large
    "audio": RobertaShape(12, 768, 12, 2048, 13328),  # on the codes of vq-wav2vec
}
LONGEST: Mapping[str, int] = {name: shape.positions for name, shape in ROBERTAS.items()}


@dataclass(frozen=True)
class CorpusSize:
    """What an estimate takes from a corpus; seconds and words are means of an utterance."""

    rows: int  # of training
    seconds: float
    words: float


# Rows: the official splits. Seconds: as the corpora's papers and MELD's page state them, MOSI 4.2,
# MOSEI 7.3, MELD 3.6. Words: of MOSI's and MELD's transcripts, counted; MOSEI's by its seconds.
CORPORA = {
    "CMU-MOSI": CorpusSize(1284, 4.2, 12.5),
    "CMU-MOSEI": CorpusSize(16326, 7.3, 19.0),
    "MELD": CorpusSize(9989, 3.6, 7.9),
}


def steps_of(corpus: CorpusSize) -> dict[str, int]:
    """Tokens, codes and keyframes of a mean utterance; keyframes are the mean count of frames."""
    return {
        "text": round(corpus.words * TOKENS_A_WORD) + 2,
        "audio": round(corpus.seconds * CODES_A_SECOND) + 2,
        "video": round(corpus.seconds * FRAMES_A_SECOND),
    }
