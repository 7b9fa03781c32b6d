"""Any text encoder of `transformers`, run so that a text's bits do not depend on its neighbours.

Batching pads, and another padded length means other matrix shapes, hence other rounding. So a text
is padded to the next multiple of 16 tokens, whatever else is there, and batches hold texts of one
padded length only. With one thread (`preprocess.extract` sets that) the bits then were the same for
every batch size and order tried; it costs about a fifth of the speed of padding to the longest.

B texts of a batch, T tokens of a text, L the padded length, d the encoder's width.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mia_fairseq.errors import InputError
from preprocess.optional import require_transformers

PAD_TO = 16  # tokens


class TextEncoder:
    """The last hidden states of a transformers encoder, from a local folder or a hub name."""

    def __init__(self, source: str | Path, device: str = "cpu", batch_size: int = 32) -> None:
        """Raises InputError where the folder or hub name holds no model that can be read."""
        import torch

        transformers = require_transformers("a transformer text encoder")
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(str(source))
            model = transformers.AutoModel.from_pretrained(str(source), dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(
                f"{source} holds no text encoder that transformers can load ({first}); give a "
                "folder with config.json, weights and a tokenizer, or a name on the hub"
            ) from error
        self.model = model.eval().to(device)
        self.device = device
        self.batch_size = batch_size
        self.dim: int = model.config.hidden_size
        self.limit = _longest(self.tokenizer.model_max_length, model)

    def encode(self, texts: Sequence[str]) -> tuple[list[np.ndarray], list[int]]:
        """The states of each text, special tokens included: (T, d) float32, in order.

        Also the length in tokens of each text before it was cut to what the encoder can see.
        """
        tokens = [self._tokens(text) for text in texts]
        alike: dict[int, list[int]] = defaultdict(list)
        for index, (ids, _) in enumerate(tokens):
            alike[-(-len(ids) // PAD_TO) * PAD_TO].append(index)
        states: dict[int, np.ndarray] = {}
        for length, indices in alike.items():
            for first in range(0, len(indices), self.batch_size):
                batch = indices[first : first + self.batch_size]
                outputs = self._forward([tokens[index][0] for index in batch], length)
                states.update(zip(batch, outputs, strict=True))
        return [states[index] for index in range(len(tokens))], [full for _, full in tokens]

    def _tokens(self, text: str) -> tuple[list[int], int]:
        ids: list[int] = self.tokenizer(text)["input_ids"]
        full = len(ids)
        if full > self.limit:
            ids = self.tokenizer(text, truncation=True, max_length=self.limit)["input_ids"]
        return ids, full

    def _forward(self, rows: list[list[int]], length: int) -> list[np.ndarray]:
        import torch

        pad = self.tokenizer.pad_token_id or 0
        length = min(length, self.limit)
        ids = torch.full((len(rows), length), pad)  # (B, L)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        with torch.inference_mode():
            output = self.model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device))
        hidden = output.last_hidden_state.cpu().numpy()  # (B, L, d)
        return [hidden[index, : len(row)].copy() for index, row in enumerate(rows)]


def _longest(tokenizer_limit: int, model: object) -> int:
    """Tokens the encoder has positions for; the tokenizer may know of none (a huge number)."""
    config = model.config  # type: ignore[attr-defined]
    positions = getattr(config, "max_position_embeddings", tokenizer_limit)
    if "roberta" in config.model_type or config.model_type == "camembert":
        positions -= config.pad_token_id + 1  # RoBERTa counts positions from after the padding
    return int(min(tokenizer_limit, positions))
