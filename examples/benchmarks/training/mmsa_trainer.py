"""MMSA's own trainer as `peer_epochs.py` runs it, and a GENERATED pickle of the form that it reads.

B batch, T vectors of a sequence.
"""

import contextlib
import io
import math
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook

from examples.benchmarks.peers import import_mmsa
from examples.benchmarks.training.epochs import EpochTimes

WORDS, WORD_DIM = 1000, 768  # MISA's, BERT-base's dim


class EnoughEpochsError(Exception):
    """Ends MMSA's trainer, which would go on until its validation gets no better."""


class WordTable(nn.Module):
    """In BERT's place: (B, 3, T) of ids, mask and segments to (B, T, 768), nothing learnt."""

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.vectors = nn.Embedding(WORDS, WORD_DIM).requires_grad_(False)

    def forward(self, text: Tensor) -> Tensor:
        """The words' vectors."""
        vectors: Tensor = self.vectors(text[:, 0].long())
        return vectors


def schedule(*given: Any, verbose: bool = False, **named: Any) -> ReduceLROnPlateau:
    """torch's schedule, which took `verbose` when MulT was written."""
    return ReduceLROnPlateau(*given, **named)


def make_arrays(
    dims: Mapping[str, int], rows: Mapping[str, int], steps: int, seed: int
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Gaussian sequences (N, T, d) by split and modality."""
    rng = np.random.default_rng(seed)
    return {
        split: {
            name: rng.standard_normal((count, steps, dim), dtype=np.float32)
            for name, dim in dims.items()
        }
        for split, count in rows.items()
    }


def write_pickle(
    file: Path, arrays: Mapping[str, Mapping[str, NDArray[np.float32]]], seed: int
) -> None:
    """A pickle of MMSA's form, every row as long as the arrays are, scores from -3 to 3."""
    rng = np.random.default_rng(seed)
    content = {}
    for split, features in arrays.items():
        count, steps, _ = features["text"].shape
        words = np.ones((count, 3, steps), np.float32)  # ids, mask, segments
        words[:, 0], words[:, 2] = rng.integers(1, WORDS, (count, steps)), 0
        content[split] = {
            "id": [f"{split}{row // 24}$_${row % 24}" for row in range(count)],
            "raw_text": ["a generated sentence of about the usual length"] * count,
            "text": features["text"],
            "text_bert": words,
            "audio": features["audio"],
            "vision": features["video"],
            "audio_lengths": [features["audio"].shape[1]] * count,
            "vision_lengths": [features["video"].shape[1]] * count,
            "regression_labels": np.round(rng.uniform(-3, 3, count), 1).astype(np.float32),
        }
    with file.open("wb") as stream:
        pickle.dump(content, stream, protocol=4)


def peer_settings(name: str, file: Path, batch: int | None, seed: int) -> Any:
    """MMSA's own for MOSI, as ``MMSA_run`` completes them; its own batch unless one is given."""
    settings = import_mmsa("MMSA.config").get_config_regression(name, "mosi")
    settings["custom_feature"], settings["model_save_path"] = str(file), str(file) + ".pth"
    settings["feature_T"] = settings["feature_A"] = settings["feature_V"] = ""
    settings["train_mode"], settings["device"] = "regression", torch.device("cpu")
    settings["seed"], settings["cur_seed"] = seed, 1
    if batch is not None:
        settings["batch_size"] = batch
    return settings


@contextmanager
def mended(name: str) -> Iterator[None]:
    """What lets MMSA's MulT and MISA run here, see above; progress bars go nowhere."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        if name == "mult":
            trainer = import_mmsa("MMSA.trains.singleTask.MULT")
            stack.enter_context(patch.object(trainer, "ReduceLROnPlateau", schedule))
        if name == "misa":
            model = import_mmsa("MMSA.models.singleTask.MISA")
            stack.enter_context(patch.object(model, "BertTextEncoder", WordTable))
        yield


def train_peer(settings: Any, epochs: int) -> EpochTimes:
    """MMSA's loader, model and trainer; the trainer's validation only ends the epoch.

    Args:
        settings: MMSA's.
        epochs: after which it ends.
    """
    torch.manual_seed(settings["seed"])
    times = EpochTimes("cpu")

    def end_epoch(*_: Any, **__: Any) -> dict[str, float]:
        times.after_update(True)
        if len(times.ends) == epochs:
            raise EnoughEpochsError
        return {"Loss": math.inf}  # no better than before, so that nothing is saved

    hook = register_optimizer_step_post_hook(lambda *_: times.after_update(False))
    with mended(settings["model_name"]), contextlib.suppress(EnoughEpochsError):
        loaders = import_mmsa("MMSA.data_loader").MMDataLoader(settings, num_workers=0)
        model = import_mmsa("MMSA.models").AMIO(settings)
        trainer = import_mmsa("MMSA.trains").ATIO().getTrain(settings)
        trainer.do_test = end_epoch
        trainer.do_train(model, loaders)
    hook.remove()
    return times
