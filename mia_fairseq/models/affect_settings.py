"""The settings that models of every fusion share."""

from dataclasses import dataclass, field
from typing import Any, Optional

from mia_fairseq.encoders.encoder_settings import EncoderConfig
from mia_fairseq.fairseq_bases import ChoiceEnum

NORMALIZATIONS = ChoiceEnum(["standard", "none"])
POOLINGS = ChoiceEnum(["mean", "first"])
TRAINED_PARTS = ChoiceEnum(["all", "head"])


def setting(default: Any, help: str) -> Any:
    """A setting of a configuration, and what ``--help`` tells of it."""
    return field(default=default, metadata={"help": help})


@dataclass
class AffectModelConfig(EncoderConfig):
    """Settings that every fusion shares."""

    channels: int = field(
        default=1,
        metadata={"help": "c, rows of the matrices that fusion works on; the paper leaves it open"},
    )
    no_adapters: bool = field(
        default=False,
        metadata={"help": "no learned linear map in front of each modality: the bare paper"},
    )
    no_main_adapter: bool = field(
        default=False,
        metadata={
            "help": "no learned linear map in front of the main modality, for an encoder that "
            "learns along and plays its part"
        },
    )
    normalize: NORMALIZATIONS = field(  # type: ignore[valid-type]
        default="standard",
        metadata={"help": "scale features by the training split's mean and deviation, or not"},
    )
    pooling: POOLINGS = field(  # type: ignore[valid-type]
        default="mean",
        metadata={
            "help": "what of an encoder's sequence is fused: the means of as many equal parts as "
            "there are channels, or its first vector, as the paper's ancestors have it"
        },
    )
    ffn_dim: int = field(
        default=0,
        metadata={"help": "hidden width of the FFN of Eq. 12; 0 means four times the main dim"},
    )
    dropout: float = field(
        default=0.1, metadata={"help": "share of units dropped in the FFN and before the head"}
    )
    feature_dropout: float = field(
        default=0.0, metadata={"help": "share of input features dropped in training"}
    )
    modality_dropout: float = field(
        default=0.0,
        metadata={
            "help": "probability with which each auxiliary is missing for a whole row in training"
        },
    )
    main_dropout: float = field(
        default=0.0,
        metadata={
            "help": "the same for the main modality; a row that would lose all it has loses nothing"
        },
    )
    conversation: str = setting(
        "",
        "a model of dialogues after the fusion: bc_lstm, dialogue_rnn, a_dmn, ctnet, mm_dfn or "
        "dsagcn; batches are then whole dialogues with at most --batch-size rows",
    )
    conversation_dim: int = setting(128, "width of the states of --conversation, in each direction")
    conversation_past: bool = setting(
        False, "--conversation and --crf see nothing that comes later, for live use"
    )
    crf: bool = setting(
        False, "a linear-chain CRF over each dialogue's classes, on top of the logits"
    )
    init_from: Optional[str] = field(
        default=None,
        metadata={
            "help": "start from the weights of this checkpoint, trained on another corpus or task "
            "with the same modalities and settings"
        },
    )
    reset_head: bool = field(
        default=False,
        metadata={
            "help": "with --init-from: start the last fully-connected layer anew, for other labels"
        },
    )
    train_only: TRAINED_PARTS = field(  # type: ignore[valid-type]
        default="all",
        metadata={
            "help": "with --init-from: train the whole model, or the head alone (the last "
            "fully-connected layer, Sec. 5.2) while all else works as in evaluation"
        },
    )
