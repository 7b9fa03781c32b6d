"""The flags that choose encoders and how they learn, and what they say of each modality."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fairseq.dataclass import FairseqDataclass

from mia_fairseq.errors import InputError
from mia_fairseq.name_values import comma_separated, name_values

Value = TypeVar("Value")


@dataclass
class EncoderConfig(FairseqDataclass):
    """Which encoders run inside the model, and which of their layers learn how fast."""

    encoder: str = field(
        default="",
        metadata={
            "help": "encoders of modalities that DATA holds as tokens or frames, such as "
            "text=hf:minilm,audio=roberta:FOLDER,video=fabnet:FILE; text=trained:CKPT takes the "
            "one that learnt along in another training"
        },
    )
    freeze: str = field(
        default="", metadata={"help": "modalities whose encoder is not trained, by commas"}
    )
    unfreeze_from: str = field(
        default="",
        metadata={
            "help": "train an encoder from this layer up, such as text=3; 0 is the embeddings"
        },
    )
    encoder_lr_scale: str = field(
        default="1.0",
        metadata={
            "help": "the encoders' learning rate as a share of --lr: one number, or such as "
            "text=0.05,audio=0.1; needs --optimizer adam_fused"
        },
    )
    layer_decay: str = field(
        default="1.0",
        metadata={
            "help": "each layer's learning rate as a share of that of the layer above it: one "
            "number, or such as text=0.9; needs --optimizer adam_fused"
        },
    )
    gradient_checkpointing: bool = field(
        default=False,
        metadata={"help": "recompute the encoders' layers in the backward pass, to save memory"},
    )
    leave_out_frozen: bool = field(
        default=False,
        metadata={
            "help": "keep wholly frozen encoders out of checkpoints, which then name them with "
            "their sha256 and need them to be loaded"
        },
    )


@dataclass(frozen=True)
class EncoderSettings:
    """What the flags say of one modality's encoder.

    Attributes:
        source: ``NAME:WHERE``; empty where the flags name none.
        frozen: whether nothing of it is trained.
        trained_from: the lowest layer that is trained.
        lr_scale: the top layer's learning rate as a share of ``--lr``.
        layer_decay: each layer's as a share of the one above.
    """

    source: str
    frozen: bool = False
    trained_from: int = 0
    lr_scale: float = 1.0
    layer_decay: float = 1.0


def read_settings(cfg: Any, modalities: Collection[str]) -> dict[str, EncoderSettings]:
    """The settings of each modality that needs an encoder.

    Args:
        cfg: an `EncoderConfig`.
        modalities: those that need one. Flags may also speak of others that ``--encoder`` names,
            so that a run that leaves a modality out keeps its flags.

    Raises:
        InputError: a flag cannot be read, or names a modality that has no encoder.
    """
    sources = _pairs(cfg.encoder, "--encoder", "text=hf:minilm", str)
    known = {*modalities, *sources}
    frozen = comma_separated(cfg.freeze)
    starts = _pairs(cfg.unfreeze_from, "--unfreeze-from", "text=3", _layer)
    scales = _one_or_pairs(cfg.encoder_lr_scale, "--encoder-lr-scale", "text=0.05", known)
    decays = _one_or_pairs(cfg.layer_decay, "--layer-decay", "text=0.9", known)
    named = {"--freeze": frozen, "--unfreeze-from": starts}
    for flag, names in {**named, "--encoder-lr-scale": scales, "--layer-decay": decays}.items():
        for name in names:
            if name not in known:
                raise InputError(
                    f"{flag} names {name!r}, which has no encoder; expected one of "
                    f"{', '.join(sorted(known)) or 'those that --encoder names, and it names none'}"
                )
    both = sorted(set(frozen) & set(starts))
    if both:
        raise InputError(
            f"--freeze and --unfreeze-from both name {both[0]!r}, which cannot be frozen and "
            "trained; leave it out of one of them"
        )
    return {
        name: EncoderSettings(
            sources.get(name, ""),
            name in frozen,
            starts.get(name, 0),
            scales.get(name, 1.0),
            decays.get(name, 1.0),
        )
        for name in modalities
    }


def _pairs(text: str, flag: str, example: str, convert: Callable[[str], Value]) -> dict[str, Value]:
    """{"text": …} from ``text=…,audio=…``."""
    return name_values(comma_separated(text), flag, convert, f"MODALITY=VALUE, such as {example}")


def _one_or_pairs(text: str, flag: str, example: str, known: Collection[str]) -> dict[str, float]:
    """One number for all, or pairs."""
    if "=" in str(text):
        return _pairs(str(text), flag, example, _share)
    try:
        return dict.fromkeys(known, _share(str(text)))
    except ValueError as error:
        raise InputError(
            f"{flag} is {text!r}, expected a number above 0, or such as {example}"
        ) from error


def _share(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(text)
    return value


def _layer(text: str) -> int:
    if not text.isdigit():
        raise ValueError(text)
    return int(text)
