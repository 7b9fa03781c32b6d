"""The flags that choose encoders and say how they learn."""

from dataclasses import dataclass, field, fields
from typing import Any, Optional

from mia_fairseq.fairseq_bases import FairseqDataclass


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
    lora: str = field(
        default="",
        metadata={
            "help": "train maps of this rank beside the encoder's linear layers and nothing else "
            "of it, such as text=8; checkpoints then hold the maps alone, and the sha256 of the "
            "encoder, which must be there to load them"
        },
    )
    lora_alpha: str = field(
        default="",
        metadata={
            "help": "the maps weigh this over their rank: one number, or such as text=16; twice "
            "the rank by default"
        },
    )
    lora_layers: str = field(
        default="",
        metadata={"help": "which layers get maps, such as text=4-6; all by default, from 1"},
    )
    lora_modules: str = field(
        default="",
        metadata={
            "help": "which linear layers get maps, by the last part of their names, such as "
            "text=query+value; all by default"
        },
    )
    attention_dropout: Optional[float] = field(
        default=None,
        metadata={
            "help": "share of the weights of the encoders' attention that is dropped in training; "
            "0 saves time on long sequences (default: as the encoder was pretrained)"
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

    @staticmethod
    def of(cfg: Any) -> "EncoderConfig":
        """The flags about encoders among a model's settings, defaults for what is not there."""
        known: dict[str, Any] = {
            f.name: getattr(cfg, f.name, f.default) for f in fields(EncoderConfig)
        }
        return EncoderConfig(**known)
