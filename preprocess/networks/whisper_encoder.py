"""Whisper's encoder in torch, so that every layer's states can be had, not the last one's alone.

The network of Radford et al. 2022 (Robust Speech Recognition via Large-Scale Weak Supervision,
Sec. 2.2): two convolutions, sinusoidal positions, then blocks of attention and feed-forward, each
normalised before. The weights are those of a CTranslate2 model; the states agree with its own.

T frames of 20 ms, d the encoder's width, L its number of blocks.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mia_fairseq.errors import InputError
from preprocess.networks.ctranslate2_weights import read_weights

HEAD_DIM = 64  # numbers a head, in every size of Whisper


class WhisperEncoder:
    """The encoder of one CTranslate2 Whisper model, on one device."""

    def __init__(self, model: Path, device: str = "cpu") -> None:
        """``model``: its ``model.bin``.

        Raises:
            InputError: the file holds no Whisper encoder in floating point.
        """
        arrays = read_weights(model, lambda name: name.startswith("encoder/"))
        if arrays.get("encoder/conv1/weight", np.zeros(0, "i1")).dtype.kind != "f":
            raise InputError(f"{model}: holds no Whisper encoder in floating point")
        self._weights = {
            name.removeprefix("encoder/"): torch.tensor(array, device=device)
            for name, array in arrays.items()
        }
        self.device = device
        self.dim = int(self._weights["conv1/weight"].shape[0])
        self.layers = sum(name.endswith("self_attention/linear_0/bias") for name in self._weights)

    @torch.no_grad()
    def states(self, mel: NDArray[Any]) -> NDArray[np.float32]:
        """The states after every block.

        Args:
            mel: (80, 2 T) log-mel frames, an even number of them.

        Returns:
            (L + 1, T, d): the input of the first block, then each block's output; the last one
            normalised, as Whisper's decoder reads it.
        """
        weights = self._weights
        x = torch.as_tensor(mel, dtype=torch.float32, device=self.device)[None]
        x = functional.conv1d(x, weights["conv1/weight"], weights["conv1/bias"], padding=1)
        x = functional.gelu(x)
        x = functional.conv1d(
            x, weights["conv2/weight"], weights["conv2/bias"], stride=2, padding=1
        )
        x = functional.gelu(x)[0].T  # (T, d)
        x = x + weights["position_encodings/encodings"][: len(x)]
        states = [x]
        for layer in range(self.layers):
            x = x + self._attention(self._norm(x, f"layer_{layer}/self_attention"), layer)
            x = x + self._feed_forward(self._norm(x, f"layer_{layer}/ffn"), layer)
            states.append(x)
        states[-1] = self._norm(states[-1], "")
        return torch.stack(states).cpu().numpy()

    def _norm(self, x: Tensor, owner: str) -> Tensor:
        name = f"{owner}/layer_norm".lstrip("/")
        gamma, beta = self._weights[f"{name}/gamma"], self._weights[f"{name}/beta"]
        return functional.layer_norm(x, gamma.shape, gamma, beta)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self._weights[f"{name}/weight"], self._weights[f"{name}/bias"])

    def _attention(self, x: Tensor, layer: int) -> Tensor:
        """Self-attention of (T, d); the projections of queries, keys and values lie in one."""
        name = f"layer_{layer}/self_attention"
        heads = self.dim // HEAD_DIM
        projected = self._linear(x, f"{name}/linear_0")  # (T, 3 d)
        query, key, value = projected.view(len(x), 3, heads, HEAD_DIM).permute(1, 2, 0, 3)
        mixed = functional.scaled_dot_product_attention(query[None], key[None], value[None])
        return self._linear(mixed[0].transpose(0, 1).reshape(len(x), self.dim), f"{name}/linear_1")

    def _feed_forward(self, x: Tensor, layer: int) -> Tensor:
        hidden = functional.gelu(self._linear(x, f"layer_{layer}/ffn/linear_0"))
        return self._linear(hidden, f"layer_{layer}/ffn/linear_1")
