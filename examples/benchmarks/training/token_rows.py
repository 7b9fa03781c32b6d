"""Encoders of random weights in released shapes, and GENERATED dialogues of tokens for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mia_fairseq.data.format.dictionary import format_dictionary
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.pretrained.libraries import require_transformers

EMOTIONS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
SPECIAL = 5  # ids that no word has
MOST = 100  # tokens of an utterance


class EncoderShape(NamedTuple):
    """A class of transformers, and what its configuration says."""

    kind: str  # of `transformers.AutoConfig`
    settings: Mapping[str, int]


def _shape(kind: str, width: int, layers: int, vocabulary: int, pad: int) -> EncoderShape:
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    heads = {"num_attention_heads": 12, "max_position_embeddings": 512 + (pad and pad + 1)}
    return EncoderShape(kind, {**sizes, **heads, "vocab_size": vocabulary, "pad_token_id": pad})


ENCODERS = {  # all-MiniLM-L6-v2 and all-mpnet-base-v2
    "minilm": _shape("bert", 384, 6, 30522, 0),
    "mpnet": _shape("mpnet", 768, 12, 30527, 1),
}
SMALL = {"minilm": _shape("bert", 24, 2, 99, 0), "mpnet": _shape("mpnet", 24, 2, 99, 1)}


def write_encoder(folder: Path, shape: EncoderShape, seed: int) -> None:
    """A folder that ``hf:`` and `transformers.AutoModel` read."""
    transformers = require_transformers("this benchmark")
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(shape.kind, **shape.settings)
    transformers.AutoModel.from_config(config).save_pretrained(folder)


def write_dialogues(path: Path, shape: EncoderShape, tokens: int, seed: int) -> None:
    """DATA of at least so many tokens in dialogues, of lengths such as MELD's.

    MELD's training split has 9.6 utterances a dialogue, of 7.9 words (deviation 6.2), which are
    some 12 tokens with their start and end. Here they are 1 to 18, of a gamma distribution.
    """
    rng = np.random.default_rng(seed)
    vocabulary, pad = shape.settings["vocab_size"], shape.settings["pad_token_id"]
    about: dict[str, Any] = {"pad": pad, "dictionary": "transformers"}
    about["tokenizer"] = {"sha256": "0" * 64}
    words = {"text": format_dictionary([f"w{number}" for number in range(vocabulary)])}
    specs = {"text": ModalitySpec(vocabulary, "generated", "tokens", about)}
    label = LabelSpec("classes", names=EMOTIONS)
    given: dict[str, Any] = {"corpus": "generated", "label": label, "modalities": specs}
    with StoreWriter(path, **given, dictionaries=words) as store:
        written, dialogue = 0, 0
        while written < tokens:
            for place in range(rng.integers(1, 19)):
                count = 2 + min(MOST, 1 + int(rng.gamma(1.65, 5.6)))
                row = rng.integers(SPECIAL, vocabulary, count)
                name, emotion = f"{dialogue}_{place}", float(rng.integers(len(EMOTIONS)))
                said = Utterance(name, emotion, "generated", f"d{dialogue}", place)
                store.add("train", said, {"text": row})
                written += count
            dialogue += 1
