"""In MMSA's place: one module under all of its names, which holds callers to MMSA's own forms.

Its trainer goes on until its validation ends it, as MMSA's does for eight epochs at least.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

NAMES = ("config", "data_loader", "models", "models.singleTask.MISA")
NAMES = (*NAMES, "trains", "trains.singleTask.MULT")
sys.modules.update({f"MMSA.{name}": sys.modules[__name__] for name in NAMES})


class Settings(dict):
    """A dictionary whose keys are attributes too."""

    __getattr__ = dict.__getitem__


def get_config_regression(name: str, corpus: str) -> Settings:
    assert corpus == "mosi"
    return Settings(model_name=name, batch_size=8, KeyEval="Loss")


def MMDataLoader(args: Settings, num_workers: int) -> dict[str, DataLoader]:  # noqa: N802
    assert num_workers == 0 and not args.feature_T and args.device == torch.device("cpu")
    splits = pickle.loads(Path(args.custom_feature).read_bytes())
    for split in splits.values():
        count, steps, _ = split["text"].shape
        assert split["text_bert"].shape == (count, 3, steps)
        assert split["audio_lengths"] == split["vision_lengths"] == [steps] * count
        assert len(split["raw_text"]) == len(split["id"]) == count
    rows = [
        (text.astype(np.float32), words.astype(np.float32), np.float32(label))
        for text, words, label in zip(
            *(splits["train"][n] for n in ("text", "text_bert", "regression_labels")), strict=True
        )
    ]
    return {"train": DataLoader(rows, args.batch_size), "valid": None, "test": None}


class BertTextEncoder(nn.Module):
    def __init__(self, **_: object) -> None:
        raise AssertionError("would download BERT-base")


class ReduceLROnPlateau:
    def __init__(self, *_: object, verbose: bool) -> None:
        raise AssertionError("torch has no verbose")


class AMIO(nn.Module):
    def __init__(self, args: Settings) -> None:
        super().__init__()
        self.words = BertTextEncoder(use_finetune=True) if args.model_name == "misa" else None
        self.head = nn.LazyLinear(1)

    def forward(self, text: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        vectors = text if self.words is None else self.words(words)
        return self.head(vectors.mean(1)).squeeze(1)


class ATIO:
    def getTrain(self, args: Settings) -> "ATIO":  # noqa: N802
        self.args = args
        return self

    def do_train(self, model: AMIO, loaders: dict[str, DataLoader]) -> None:
        model(*next(iter(loaders["train"]))[:2])
        optimizer = torch.optim.Adam(model.parameters())
        if self.args.model_name == "mult":
            ReduceLROnPlateau(optimizer, mode="min", verbose=True, patience=5)
        sys.stderr.write("MMSA trains\n")
        for _ in range(100):
            for text, words, label in loaders["train"]:
                optimizer.zero_grad()
                (model(text, words) - label).abs().mean().backward()
                optimizer.step()
            assert self.do_test(model, loaders["valid"], mode="VAL")["Loss"] > 1e8
        raise AssertionError("nobody ended the trainer")
