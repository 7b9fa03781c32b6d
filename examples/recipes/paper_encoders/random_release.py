"""Random weights in the shapes and the file formats of the paper's released encoders."""

import argparse
from pathlib import Path

import torch

from examples.recipes.paper_encoders.released_shapes import RobertaShape
from mia_fairseq.encoders.roberta_encoder import NAMES, build_roberta
from mia_fairseq.pretrained.fabnet_network import KEY, MEMBER, PART, FabNetNetwork

FILES = dict(zip(("text", "audio"), NAMES, strict=True))


def write_roberta(path: Path, shape: RobertaShape) -> None:
    """Writes a RoBERTa's checkpoint, as fairseq's releases hold them."""
    settings = shape.settings()
    known = {name: value for name, value in settings.items() if name != "vocabulary"}
    args = argparse.Namespace(arch="roberta", task="masked_lm", **known)
    torch.save({"args": args, "model": build_roberta(settings).state_dict()}, path)


def write_fabnet(path: Path) -> None:
    """Writes FAb-Net's checkpoint, as the authors' release holds it."""
    state = FabNetNetwork().state_dict()
    torch.save({KEY: {PART + name: tensor for name, tensor in state.items()}}, path)


def write_encoders(folder: Path, shapes: dict[str, RobertaShape], seed: int) -> None:
    """``text/``, ``audio/`` and ``video``, as the recipe has its encoders linked."""
    torch.manual_seed(seed)
    for name, shape in shapes.items():
        (folder / name).mkdir(parents=True)
        write_roberta(folder / name / FILES[name], shape)
    (folder / "video").mkdir()
    write_fabnet(folder / "video" / Path(MEMBER).name)
