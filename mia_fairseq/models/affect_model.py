"""Encoders, adapters, fusion, dual residual and head: the one interface every fusion shares.

B batch, T time, c channels, d a modality's dim, d_m the main modality's, k outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from fairseq.dataclass import ChoiceEnum
from fairseq.models import BaseFairseqModel
from torch import Tensor, nn

from mia_fairseq.data.statistics import in_chunks
from mia_fairseq.encoders.bank import EncoderBank
from mia_fairseq.encoders.base import Encoder, inside
from mia_fairseq.encoders.build import build_encoders
from mia_fairseq.encoders.features import FeatureEncoder
from mia_fairseq.encoders.settings import EncoderConfig
from mia_fairseq.errors import InputError
from mia_fairseq.modules.adapter import Adapter, segment_means
from mia_fairseq.modules.dual_residual import DualResidual
from mia_fairseq.modules.modality_dropout import ModalityDropout

if TYPE_CHECKING:
    from mia_fairseq.data.store import Split
    from mia_fairseq.schema import Schema
    from mia_fairseq.tasks.multimodal_affect import MultimodalAffectTask

NORMALIZATIONS = ChoiceEnum(["standard", "none"])
POOLINGS = ChoiceEnum(["mean", "first"])


class ModalityInput(NamedTuple):
    """What a fusion sees of one modality."""

    pooled: Tensor  # (B, c, d), adapted
    sequence: Tensor  # (B, T, d), as the encoder puts it out, zeros behind each end
    mask: Tensor  # (B, T), True where there is data


class FusionOutput(NamedTuple):
    """What a fusion returns."""

    fused: Tensor  # (B, c, d_m), added to the main modality in Eq. 11
    penalty: Tensor | None = None  # a scalar for the criterion's second loss


class AffectOutput(NamedTuple):
    """What a model returns."""

    prediction: Tensor  # (B,) scores or (B, k) logits
    penalty: Tensor | None = None  # L_KRL, or what else the fusion wants kept small


class Fusion(nn.Module):
    """Base of fusions: ``forward({modality: ModalityInput}) -> FusionOutput``."""

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        raise NotImplementedError(f"{type(self).__name__} must implement forward")


@dataclass(frozen=True)
class FusionShape:
    """All that a fusion needs to know to be built.

    Attributes:
        main: name of the main modality.
        auxiliaries: names of the others, in the order in which they are fused.
        dims: d of each modality.
        channels: c.
        copies: modalities that are learned linear maps of others, and of which.
        shared: modalities that the encoder of another one reads (contexts), and of which.
    """

    main: str
    auxiliaries: tuple[str, ...]
    dims: Mapping[str, int]
    channels: int
    copies: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: "Schema", channels: int, encoders: Mapping[str, Encoder]) -> "FusionShape":
        """The shape of a schema's modalities; `encoders` are of those that are no features."""
        shared = {name: c.source for name, c in schema.contexts.items() if c.source in encoders}
        dims = {}
        for name in schema.used:
            owner = shared.get(name, schema.copies.get(name, name))
            known = encoders.get(owner)
            dims[name] = known.output_dim if known else schema.modalities[name].dim
        return cls(schema.main, schema.auxiliaries, dims, channels, schema.copies, shared)

    def source(self, name: str) -> str:
        """Under what name the data holds a modality."""
        return self.copies.get(name, name)

    def encoded_by(self, name: str) -> str:
        """Whose encoder reads a modality."""
        return self.shared.get(name, self.source(name))


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


class AffectModel(BaseFairseqModel):
    """A multi-modal model of affect; subclasses bring the fusion.

    To add one, subclass, implement `build_fusion`, and register it with
    ``@register_model("name", dataclass=Config)``. Encoders, adapters, the dual residual structure
    of Eq. 11-12, the head of Eq. 15 and 18, the trainer and the criteria stay the same.

    Args:
        shape: modalities, their dims, and c.
        outputs: k, 1 for a score.
        cfg: an `AffectModelConfig` or a subclass of it.
        pretrained: the encoders of modalities that are no features.
    """

    needs_auxiliaries: ClassVar[bool] = True

    def __init__(
        self,
        shape: FusionShape,
        outputs: int,
        cfg: Any,
        pretrained: Mapping[str, Encoder] | None = None,
    ) -> None:
        super().__init__()
        if cfg.channels < 1:
            raise InputError(f"--channels is {cfg.channels}, expected 1 or more")
        self.pools_first = str(cfg.pooling) == "first"
        if self.pools_first and cfg.channels > 1:
            raise InputError(
                f"--pooling first gives one vector, --channels is {cfg.channels}; use --pooling "
                "mean, or --channels 1"
            )
        if self.needs_auxiliaries and not shape.auxiliaries:
            raise InputError(
                f"--arch {cfg._name} fuses a main modality with auxiliary ones, got none; "
                "give --aux-modalities or use --arch unimodal"
            )
        self.shape, self.outputs = shape, outputs
        used = (shape.main, *shape.auxiliaries)
        self.encoders = EncoderBank(shape, pretrained or {})
        self.adapters = nn.ModuleDict(
            {}
            if cfg.no_adapters
            else {name: Adapter(shape.dims[name], shape.channels) for name in used}
        )
        self.modality_dropout = ModalityDropout(shape.main, cfg.modality_dropout, cfg.main_dropout)
        self.feature_dropout = nn.Dropout(cfg.feature_dropout)
        self.fusion = self.build_fusion(shape, cfg)
        main_dim = shape.dims[shape.main]
        self.dual_residual = DualResidual(main_dim, cfg.ffn_dim or 4 * main_dim, cfg.dropout)
        self.dropout = nn.Dropout(cfg.dropout)
        self.head = nn.Linear(shape.channels * main_dim, outputs)  # θ, b₃ of Eq. 15 and 18

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        """The part that a subclass brings."""
        raise NotImplementedError(f"{cls.__name__} must implement build_fusion")

    @classmethod
    def build_model(cls, cfg: Any, task: "MultimodalAffectTask") -> "AffectModel":
        """Builds the model for the task's modalities and labels (called by fairseq)."""
        schema = task.schema_for(fuses=cls.needs_auxiliaries)
        encoders: dict[str, Encoder] = {}
        if schema.encoded:
            encoders, states = build_encoders(cfg, schema, task.encoder_states)
            task.note_encoders(encoders, states)
        shape = FusionShape.of(schema, cfg.channels, encoders)
        # Subclasses of before there were encoders take three arguments.
        more = (encoders,) if encoders else ()
        return cls(shape, schema.label.outputs, cfg, *more)

    def fit_normalization(self, split: "Split") -> None:
        """Takes the feature statistics from the training split."""
        for name, encoder in self.encoders.items():
            if isinstance(encoder, FeatureEncoder):
                encoder.fit(in_chunks(split.features[self.shape.source(name)].vectors))

    def forward(
        self, features: Mapping[str, Tensor], lengths: Mapping[str, Tensor]
    ) -> AffectOutput:
        """Scores or logits of a batch.

        Args:
            features: of each modality that the data holds, (B, T, d) vectors, (B, T) tokens or
                (B, T, side, side, 3) bytes; T may differ between them.
            lengths: (B,) of each; 0 where it is missing.
        """
        encoded = self.encoders(features, self.modality_dropout(lengths))
        inputs = {name: self.embed(name, *found) for name, found in encoded.items()}
        main = inputs[self.shape.main].pooled  # M¹
        fused, penalty = self.fusion(inputs)  # M_MIAs
        refined = self.dropout(self.dual_residual(main, fused))  # M̌, (B, c, d_m)
        prediction = self.head(refined.flatten(1))  # z, Eq. 15
        return AffectOutput(prediction if self.outputs > 1 else prediction.squeeze(1), penalty)

    def embed(self, name: str, sequence: Tensor, lengths: Tensor) -> ModalityInput:
        """Pools and adapts one modality, (B, T, d) with lengths (B,)."""
        kept = self.feature_dropout(sequence)
        if self.pools_first:
            pooled = kept[:, :1]  # zeros where the modality is missing
        else:
            pooled = segment_means(kept, lengths, self.shape.channels)
        if name in self.adapters:
            present = (lengths > 0)[:, None, None].to(pooled.dtype)
            pooled = self.adapters[name](pooled) * present  # a missing modality stays zeros
        return ModalityInput(pooled, sequence, inside(lengths, sequence.shape[1]))

    def max_positions(self) -> None:
        """No limit: sequences of any length are pooled."""
        return
