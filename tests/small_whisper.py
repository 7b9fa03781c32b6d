"""A Whisper of random weights in CTranslate2's format, a thousandth of the smallest real one."""

import json
from pathlib import Path

import numpy as np

from preprocess.networks.tokenizer_file import TOKENIZER_FILE

DIM, HIDDEN = 64, 64
END = 50256  # the first sign's number
POSITIONS, TOKENS = 1500, 448  # of Whisper's encoder, and of what it writes


def write_whisper(folder: Path, stored: Path) -> Path:
    """Writes a model of several languages.

    Args:
        folder: to be made.
        stored: of Whisper tiny.en, whose tokenizer and words it gets, and one word more before the
            signs, as the models of several languages have it.
    """
    from ctranslate2.specs import WhisperSpec

    rng = np.random.default_rng(1)
    words = (stored / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    words.insert(END, "")
    spec = WhisperSpec(1, 1, 1, 1)
    encoder, decoder = spec.encoder, spec.decoder

    def draw(part, *shape: int) -> None:
        part.weight = rng.normal(0, 0.1, shape).astype(np.float32)
        if hasattr(part, "bias"):
            part.bias = rng.normal(0, 0.1, shape[0]).astype(np.float32)

    def level(norm) -> None:
        norm.gamma = rng.normal(1, 0.1, DIM).astype(np.float32)
        norm.beta = rng.normal(0, 0.1, DIM).astype(np.float32)

    def attend(attention, *shapes: tuple[int, int]) -> None:
        level(attention.layer_norm)
        for part, shape in zip(attention.linear, shapes, strict=True):
            draw(part, *shape)

    draw(encoder.conv1, DIM, 80, 3)
    draw(encoder.conv2, DIM, DIM, 3)
    encoder.position_encodings.encodings = rng.normal(0, 0.1, (POSITIONS, DIM)).astype(np.float32)
    draw(decoder.embeddings, len(words), DIM)
    decoder.position_encodings.encodings = rng.normal(0, 0.1, (TOKENS, DIM)).astype(np.float32)
    draw(decoder.projection, len(words), DIM)
    square, three, two = (DIM, DIM), (3 * DIM, DIM), (2 * DIM, DIM)
    attend(decoder.layer[0].attention, square, two, square)
    for side in (encoder, decoder):
        level(side.layer_norm)
        attend(side.layer[0].self_attention, three, square)
        level(side.layer[0].ffn.layer_norm)
        draw(side.layer[0].ffn.linear_0, HIDDEN, DIM)
        draw(side.layer[0].ffn.linear_1, DIM, HIDDEN)
    spec.register_vocabulary(words)
    known = {word: number for number, word in enumerate(words)}
    spec.config.lang_ids = [known[f"<|{code}|>"] for code in ("en", "de", "fr")]
    spec.config.alignment_heads = [[0, 0]]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.validate()
    spec.optimize(quantization="float16")
    folder.mkdir()
    spec.save(str(folder))
    tokenizer = json.loads((stored / TOKENIZER_FILE).read_text(encoding="utf-8"))
    for token in tokenizer["added_tokens"]:
        token["id"] += token["id"] >= END
    vocabulary = tokenizer["model"]["vocab"]
    moved = {word: k + (k >= END) for word, k in vocabulary.items()}
    tokenizer["model"]["vocab"] = {**moved, "": END}
    (folder / TOKENIZER_FILE).write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder
