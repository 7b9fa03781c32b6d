"""Any text encoder of `transformers`, from a local folder or the hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require_transformers
from preprocess.networks.batching import in_batches
from preprocess.networks.text_tokenizer import TextTokenizer

if TYPE_CHECKING:
    from torch import Tensor


class TextEncoder:
    """The last hidden states of a transformers encoder, from a local folder or a hub name."""

    def __init__(self, source: str | Path, device: str = "cpu", batch_size: int = 32) -> None:
        """Loads tokenizer and network.

        Args:
            source: a folder or a name of the hub.
            device: where the network runs.
            batch_size: texts that are encoded at a time.

        Raises:
            InputError: the folder or hub name holds no model that can be read.
        """
        import torch

        transformers = require_transformers("a transformer text encoder")
        try:
            model = transformers.AutoModel.from_pretrained(str(source), dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(
                f"{source} holds no text encoder that transformers can load ({first}); give a "
                "folder with config.json, weights and a tokenizer, or a name on the hub"
            ) from error
        self.text = TextTokenizer(source)
        self.tokenizer = self.text.tokenizer
        self.model = model.eval().to(device)
        self.device = device
        self.batch_size = batch_size
        self.dim: int = model.config.hidden_size
        self.pad = self.text.pad
        self.limit = _longest(self.tokenizer.model_max_length, model)

    def encode(self, texts: Sequence[str]) -> tuple[list[NDArray[np.float32]], list[int]]:
        """The states of each text, special tokens included: (T, d) float32, in order.

        Also the length in tokens of each text before it was cut to what the encoder can see.
        """
        tokens = [self.text.encode(text, self.limit) for text in texts]
        rows = [ids for ids, _ in tokens]
        states = in_batches(rows, self.pad, self.limit, self.batch_size, self._forward)
        return states, [full for _, full in tokens]

    def _forward(self, tokens: "Tensor") -> "Tensor":
        tokens = tokens.to(self.device)
        output = self.model(input_ids=tokens, attention_mask=(tokens != self.pad).long())
        hidden: Tensor = output.last_hidden_state
        return hidden


def _longest(tokenizer_limit: int, model: object) -> int:
    """Tokens the encoder has positions for; the tokenizer may know of none (a huge number)."""
    from mia_fairseq.encoders.hf_encoder import positions  # needs torch

    return int(min(tokenizer_limit, positions(model) or tokenizer_limit))
