"""Checkpoints of fairseq-train and exported folders: nothing in them runs, and none crashes."""

import io
import json
import pickle
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import make_store, train
from mutations import changed_value, damaged, odd_value
from outcomes import expect
from safetensors.torch import load_file, save_file

from mia_fairseq.export.__main__ import main as export
from mia_fairseq.files import sha256_of
from mia_fairseq.predict.predictor import Predictor

DIMS = {"text": 4, "audio": 3}


class Trained:
    """A tiny model that was trained, exported, and what it says of fixed features."""

    def __init__(self, scratch: Path) -> None:
        made = scratch.parent / "trained"  # by one target of this process for the next
        if not made.is_dir():
            data = make_store(scratch / "DATA", DIMS, rows={"train": 8, "valid": 4})
            train(data, made, "--main-modality", "text", "--aux-modalities", "audio",
                  "--max-epoch", "1", "--ffn-dim", "8")  # fmt: skip
        self.checkpoint = made / "checkpoint_best.pt"
        self.content = self.checkpoint.read_bytes()
        self.folder = scratch / "exported"
        export([str(self.checkpoint), "--out", str(self.folder)])
        rng = np.random.default_rng(0)
        self.features = {
            name: [rng.normal(size=(2, dim)).astype(np.float32) for _ in range(3)]
            for name, dim in DIMS.items()
        }
        self.answers = self.answer(self.checkpoint)

    def answer(self, path: Path) -> np.ndarray:
        """Predictions by a checkpoint or folder."""
        return Predictor(path).predict_arrays(self.features)


class _Runs:
    """What a free unpickler would run."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


def checkpoints(base: Trained, rng: random.Random, scratch: Path) -> None:
    """A .pt file: settings, weights or bytes changed, or code in it."""
    path, canary = scratch / "a.pt", scratch / "ran"
    action = rng.choice(("bytes", "bytes", "member", "settings", "settings", "weights", "weights",
                         "top", "code"))  # fmt: skip
    if action == "bytes":
        path.write_bytes(damaged(rng, base.content))
    elif action == "member":
        _one_member(rng, base.content, path)
    else:
        state = torch.load(io.BytesIO(base.content), weights_only=False)
        _change_state(rng, state, action, canary)
        with path.open("wb") as file:
            torch.save(state, file)
    try:
        answers = base.answer(path)
    finally:
        expect(not canary.exists(), "the file ran code")
    expect(answers.shape == base.answers.shape and np.isfinite(answers).all(), f"{answers}")
    if action == "bytes":  # a zip has checksums
        expect(np.array_equal(answers, base.answers), "other answers from damaged bytes")


def _one_member(rng: random.Random, content: bytes, path: Path) -> None:
    """The zip written anew, with checksums that fit, one of its members damaged."""
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
        members = old.namelist()
        victim = rng.choice(members)
        for name in members:
            data = old.read(name)
            if name == victim and not name.endswith(("/data/0", "/data/1")):
                data = damaged(rng, data)
            new.writestr(name, data)


def _change_state(rng: random.Random, state: dict[str, Any], action: str, canary: Path) -> None:
    weights = state["model"]
    name = rng.choice(list(weights))
    if action == "settings":
        section = rng.choice(("model", "task", "criterion", "common"))
        part = state["cfg"][section]
        part = dict(vars(part)) if not hasattr(part, "keys") else dict(part)
        state["cfg"] = dict(state["cfg"])
        state["cfg"][section] = changed_value(rng, _plain(part))
        if rng.random() < 0.1:
            attack = f"__import__('pathlib').Path({str(canary)!r}).touch() or [(8, 2, 1)]"
            state["cfg"]["model"] = {"_name": "wav2vec2", "conv_feature_layers": attack}
    elif action == "weights":
        change = rng.choice(("gone", "more", "shape", "type", "nan", "odd"))
        if change == "gone":
            del weights[name]
        elif change == "more":
            weights[name + "x"] = weights[name].clone()
        elif change == "shape":
            weights[name] = torch.zeros(rng.choice(((), (0,), (3,), (7, 7), (1, 1, 1))))
        elif change == "type":
            weights[name] = weights[name].to(rng.choice((torch.float16, torch.int64, torch.bool)))
        elif change == "nan":
            weights[name] = torch.full_like(weights[name].float(), float("nan"))
        else:
            weights[name] = odd_value(rng)
    elif action == "top":
        key = rng.choice(list(state))
        if rng.random() < 0.4:
            del state[key]
        else:
            state[key] = changed_value(rng, _plain(state[key]))
    else:
        state[rng.choice(list(state))] = _Runs(canary)


def _plain(value: Any) -> Any:
    if hasattr(value, "items"):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def exported(base: Trained, rng: random.Random, scratch: Path) -> None:
    """A folder of mia_fairseq.export: its settings or weights changed."""
    folder = scratch / "model"
    shutil.copytree(base.folder, folder)
    config, weights = folder / "config.json", folder / "model.safetensors"
    action = rng.choice(("config", "config", "config", "bytes", "weights", "tensor"))
    told = json.loads(config.read_text())
    if action == "config":
        config.write_text(json.dumps(changed_value(rng, told)), errors="replace")
    elif action == "bytes":
        victim = rng.choice((config, weights))
        victim.write_bytes(damaged(rng, victim.read_bytes()))
    else:
        if action == "weights":
            weights.write_bytes(damaged(rng, weights.read_bytes()))
        else:
            tensors = load_file(weights)
            _change_state(rng, {"model": tensors}, "weights", scratch / "ran")
            save_file({n: t for n, t in tensors.items() if isinstance(t, torch.Tensor)}, weights)
        told["weights"]["sha256"] = sha256_of(weights)  # as an attacker would
        config.write_text(json.dumps(told))
    answers = base.answer(folder)
    expect(answers.ndim >= 1 and len(answers) == 3 and np.isfinite(answers).all(), f"{answers}")


def pickle_of_code(canary: Path) -> bytes:
    """Bytes that a free unpickler runs."""
    return pickle.dumps(_Runs(canary))
