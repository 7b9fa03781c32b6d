"""What the flags say of the encoder of each modality."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from mia_fairseq.errors import InputError
from mia_fairseq.name_values import comma_separated, name_values

Value = TypeVar("Value")


@dataclass(frozen=True)
class EncoderSettings:
    """What the flags say of one modality's encoder.

    Attributes:
        source: ``NAME:WHERE``; empty where the flags name none.
        frozen: whether nothing of it is trained.
        trained_from: the lowest layer that is trained.
        lr_scale: the top layer's learning rate as a share of ``--lr``.
        layer_decay: each layer's as a share of the one above.
        lora: the rank of maps beside its linear layers; 0 for none.
        lora_alpha: their weight times the rank; 0 for twice the rank.
        lora_layers: the first and the last layer that get them; None for all.
        lora_modules: the last part of the names of linear layers; none for all.
    """

    source: str
    frozen: bool = False
    trained_from: int = 0
    lr_scale: float = 1.0
    layer_decay: float = 1.0
    lora: int = 0
    lora_alpha: float = 0.0
    lora_layers: tuple[int, int] | None = None
    lora_modules: tuple[str, ...] = ()


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
    named |= {"--encoder-lr-scale": scales, "--layer-decay": decays}
    ranks = _pairs(cfg.lora, "--lora", "text=8", _rank)
    alphas = _one_or_pairs(cfg.lora_alpha or "1", "--lora-alpha", "text=16", ranks)
    ranges = _pairs(cfg.lora_layers, "--lora-layers", "text=4-6", _range)
    kinds = _pairs(cfg.lora_modules, "--lora-modules", "text=query+value", _parts)
    _check_lora(ranks, {"--lora-alpha": alphas, "--lora-layers": ranges, "--lora-modules": kinds})
    for flag, names in {**named, "--lora": ranks}.items():
        for name in names:
            if name not in known:
                raise InputError(
                    f"{flag} names {name!r}, which has no encoder; expected one of "
                    f"{', '.join(sorted(known)) or 'those that --encoder names, and it names none'}"
                )
    alone = {"--freeze": set(frozen), "--unfreeze-from": set(starts), "--lora": set(ranks)}
    for one, other in combinations(alone, 2):
        both = sorted(alone[one] & alone[other])
        if both:
            raise InputError(
                f"{one} and {other} both name {both[0]!r}, and each says what is trained of it; "
                "leave it out of one of them"
            )
    return {
        name: EncoderSettings(
            sources.get(name, ""),
            name in frozen,
            starts.get(name, 0),
            scales.get(name, 1.0),
            decays.get(name, 1.0),
            ranks.get(name, 0),
            alphas.get(name, 0.0) if cfg.lora_alpha else 0.0,
            ranges.get(name),
            kinds.get(name, ()),
        )
        for name in modalities
    }


def check_named(cfg: Any, kinds: Mapping[str, str], where: object) -> None:
    """Raises `InputError` where ``--encoder`` names a modality that no encoder reads.

    Args:
        cfg: an `EncoderConfig`.
        kinds: of each modality of the data; those that are not in use may be named.
        where: the data, for messages.
    """
    for name in _pairs(getattr(cfg, "encoder", ""), "--encoder", "text=hf:minilm", str):
        if name not in kinds:
            raise InputError(
                f"--encoder names {name!r}, and {where} has {', '.join(kinds)}; mend its name"
            )
        if kinds[name] == "features":
            raise InputError(
                f"--encoder names {name!r}, which {where} holds as features, made by an encoder "
                "already; leave it out, or extract tokens or frames"
            )


def _check_lora(ranks: Collection[str], flags: Mapping[str, Collection[str]]) -> None:
    """Raises `InputError` where a flag is about maps that ``--lora`` does not ask for."""
    for flag, names in flags.items():
        for name in names:
            if name not in ranks:
                raise InputError(
                    f"{flag} names {name!r}, for which --lora asks for no maps; add "
                    f"--lora {name}=8, or leave it out"
                )


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


def _rank(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise ValueError(text)
    return int(text)


def _range(text: str) -> tuple[int, int]:
    """(4, 6) from ``4-6``, (4, 4) from ``4``."""
    first, dash, last = text.partition("-")
    return _layer(first), _layer(last if dash else first)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split("+"))


def _layer(text: str) -> int:
    if not text.isdigit():
        raise ValueError(text)
    return int(text)
