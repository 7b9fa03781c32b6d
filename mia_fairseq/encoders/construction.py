"""Builds the encoders that a model's flags name, or that its checkpoint holds."""

import logging
from collections.abc import Mapping
from typing import Any

import torch

from mia_fairseq.checkpoints.network_size import of_any_size
from mia_fairseq.data.schema import Schema
from mia_fairseq.encoders.encoder import Encoder
from mia_fairseq.encoders.encoder_choices import EncoderSettings, read_settings
from mia_fairseq.encoders.learning import scale_learning_rates
from mia_fairseq.encoders.left_out_weights import fill_in, leave_out
from mia_fairseq.encoders.lora import Lora
from mia_fairseq.encoders.registry import find_encoder
from mia_fairseq.encoders.trained_encoder import PREFIX, trained_encoder
from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)

# What a checkpoint tells of the encoder of each modality.
EncoderStates = Mapping[str, Mapping[str, Any]]


def build_encoders(
    cfg: Any, schema: Schema, saved: EncoderStates | None = None
) -> tuple[dict[str, Encoder], dict[str, dict[str, Any]]]:
    """An encoder for each modality that is no features, and what a checkpoint tells of it.

    Args:
        cfg: an `EncoderConfig`.
        schema: the modalities.
        saved: what the checkpoint tells, where one is loaded: then no pretrained weights are read.

    Raises:
        InputError: a modality has no encoder, or its encoder cannot be had or does not fit.
    """
    settings = read_settings(cfg, schema.encoded)
    encoders: dict[str, Encoder] = {}
    states: dict[str, dict[str, Any]] = {}
    # Random numbers drawn here would change how the rest of the model starts.
    with torch.random.fork_rng(devices=[]):
        for name in schema.encoded:
            chosen, known = settings[name], (saved or {}).get(name)
            encoder, states[name] = _from_checkpoint(name, chosen, known) or _new(name, chosen)
            encoder.check_fits(name, schema.modalities[name])
            if schema.reading.past and name in schema.read_in_dialogues and not encoder.reads_past:
                raise InputError(
                    f"--read dialogue-past: the encoder of {name} ({type(encoder).__name__}) "
                    "cannot keep later utterances out; use one of hf:, or --read dialogue"
                )
            _set_learning(encoder, name, chosen, states[name])
            if getattr(cfg, "attention_dropout", None) is not None:
                encoder.drop_attention(cfg.attention_dropout)
            if cfg.gradient_checkpointing:
                encoder.checkpoint_gradients()
            state = states[name]
            if not state["stored"]:  # its weights are those of the pretrained file
                fill_in(encoder, state["source"], state["sha256"], encoder.is_pretrained)
                if encoder.lora or (cfg.leave_out_frozen and encoder.is_frozen):
                    leave_out(encoder, state["sha256"], encoder.is_pretrained)
                else:
                    state["stored"] = True
            encoders[name] = encoder
    return encoders, states


def _new(name: str, settings: EncoderSettings) -> tuple[Encoder, dict[str, Any]]:
    """An encoder with its pretrained weights, and what a checkpoint tells of it."""
    source = settings.source
    if not source:
        raise InputError(
            f"{name} is no features but what an encoder reads, and --encoder names none for it; "
            f"give one, such as --encoder {name}=hf:minilm"
        )
    if source.startswith(PREFIX):
        return trained_encoder(name, source)
    kind, where = find_encoder(source)
    encoder, sha256 = kind.pretrained(where)
    logger.info("%s: encoder %s, sha256 %s", name, source, sha256)
    about = {"source": source, "sha256": sha256, "architecture": encoder.architecture()}
    return encoder, {**about, "stored": False}


def _from_checkpoint(
    name: str, settings: EncoderSettings, saved: Mapping[str, Any] | None
) -> tuple[Encoder, dict[str, Any]] | None:
    """The encoder that a checkpoint describes.

    Its weights come from the checkpoint, or, where it leaves them out, from where it says.
    """
    if saved is None:
        return None
    if settings.lora and "lora" not in saved:
        raise InputError(
            f"--lora {name}={settings.lora}: the checkpoint's encoder has no such maps; leave "
            f"--lora out, or start from its encoder alone, by --encoder {name}=trained:CKPT"
        )
    kind, where = find_encoder(saved["source"])
    if saved["stored"]:
        if settings.source not in ("", saved["source"], saved.get("begun_as")):
            logger.info(
                "%s: encoder %s of the checkpoint, not the one named", name, saved["source"]
            )
        return kind.untrained(saved["architecture"]), dict(saved)
    if settings.source:  # as the checkpoint has it, unless overridden
        kind, where = find_encoder(settings.source)
    try:
        with of_any_size():
            encoder, sha256 = kind.pretrained(where)
    except InputError as error:
        raise InputError(
            f"{error}; the checkpoint leaves out the frozen encoder of {name}, {saved['source']} "
            f"of sha256 {saved['sha256']}"
        ) from error
    return encoder, {**saved, "sha256": sha256}


def _set_learning(
    encoder: Encoder, name: str, settings: EncoderSettings, state: dict[str, Any]
) -> None:
    """Says which weights learn and how fast; notes LoRA in what a checkpoint tells."""
    count = len(encoder.layers())
    if settings.trained_from >= count:
        raise InputError(
            f"--unfreeze-from {name}={settings.trained_from}: its encoder has layers 0 to "
            f"{count - 1}; give one of them, or freeze it with --freeze {name}"
        )
    lora = _lora_of(encoder, name, settings, state.get("lora"))
    if lora is not None:
        state["lora"] = lora.to_state()
        encoder.add_lora(lora)
    elif settings.frozen:
        encoder.freeze()
    else:
        encoder.train_from(settings.trained_from)
    scale_learning_rates(encoder.layers(), name, settings.lr_scale, settings.layer_decay)


def _lora_of(
    encoder: Encoder, name: str, settings: EncoderSettings, saved: Mapping[str, Any] | None
) -> Lora | None:
    """The maps of the checkpoint, or those that the flags ask for; None for none."""
    if saved is not None:
        known = Lora.from_state(saved)
        if settings.lora not in (0, known.rank):
            raise InputError(
                f"--lora {name}={settings.lora}: the checkpoint's maps have rank {known.rank}; "
                f"leave --lora out, or start from its encoder by --encoder {name}=trained:CKPT"
            )
        return known
    if not settings.lora:
        return None
    first, last = settings.lora_layers or (1, len(encoder.layers()) - 1)
    if not 1 <= first <= last < len(encoder.layers()):
        raise InputError(
            f"--lora-layers {name}={first}-{last}: its encoder has layers 1 to "
            f"{len(encoder.layers()) - 1} beside its embeddings; give some of them"
        )
    alpha = settings.lora_alpha or 2.0 * settings.lora
    layers = range(first, last + 1)
    return encoder.lora_of(settings.lora, alpha, layers, settings.lora_modules)
