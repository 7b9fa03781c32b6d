"""Encoders, adapters, fusion, dual residual and head: the one interface every fusion shares.

B batch, T time, c channels, d a modality's dim, d_m the main modality's, k outputs.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.conversations.dialogue_part import dialogue_parts
from mia_fairseq.data.statistics import in_chunks
from mia_fairseq.encoders.encoder import Encoder, inside
from mia_fairseq.encoders.feature_encoder import FeatureEncoder
from mia_fairseq.encoders.modality_encoders import ModalityEncoders
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_bases import BaseFairseqModel, architectures
from mia_fairseq.fusion import (
    NO_PARTS,
    Fusion,
    FusionOutput,
    FusionShape,
    ModalityInput,
    Taught,
)
from mia_fairseq.models.affect_settings import AffectModelConfig
from mia_fairseq.modules.adapter import Adapter, segment_means
from mia_fairseq.modules.dual_residual import DualResidual
from mia_fairseq.modules.modality_dropout import ModalityDropout
from mia_fairseq.plugin import flag_group

if TYPE_CHECKING:
    from mia_fairseq.data.format.store import Split

__all__ = [
    "AffectModel",
    "AffectModelConfig",
    "AffectOutput",
    "Fusion",
    "FusionOutput",
    "FusionShape",
    "ModalityInput",
]


class AffectOutput(NamedTuple):
    """What a model returns."""

    prediction: Tensor  # (B,) scores or (B, k) logits
    penalty: Tensor | None = None  # L_KRL, or what else the fusion wants kept small
    parts: Mapping[str, Tensor] = NO_PARTS  # what the fusion names, for reports
    further: Mapping[str, Tensor] = NO_PARTS  # (B, k) of each further label that is learnt


class HasBlueprint(Protocol):
    """What a model asks of its task."""

    @property
    def blueprint(self) -> Blueprint:
        """Modalities, labels and encoders."""


def fuses(cfg: Any) -> bool:
    """Whether the model that fairseq would build from settings has auxiliary modalities."""
    known: Any = architectures().get(getattr(cfg, "_name", ""))
    return bool(getattr(known, "needs_auxiliaries", True))


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
        self._counting: list[Any] | None = None
        self._modes: dict[bool, list[bool]] = {}  # of all modules, as `train` last set them
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
        self.shape, self.outputs, self.trains_only_head = shape, outputs, False
        self.encoders = ModalityEncoders(shape, pretrained or {})
        adapted = [] if cfg.no_main_adapter else [shape.main]
        adapted = [] if cfg.no_adapters else [*adapted, *shape.auxiliaries]
        self.adapters = nn.ModuleDict(
            {name: Adapter(shape.dims[name], shape.channels) for name in adapted}
        )
        self.modality_dropout = ModalityDropout(shape.main, cfg.modality_dropout, cfg.main_dropout)
        self.feature_dropout = nn.Dropout(cfg.feature_dropout)
        self.fusion = self.build_fusion(shape, cfg)
        main_dim = shape.dims[shape.main]
        self.dual_residual = DualResidual(main_dim, cfg.ffn_dim or 4 * main_dim, cfg.dropout)
        self.dropout = nn.Dropout(cfg.dropout)
        self.head = nn.Linear(shape.channels * main_dim, outputs)  # θ, b₃ of Eq. 15 and 18
        # Last, so that all else starts as it would without them.
        self.dialogue, self.chain = dialogue_parts(shape, outputs, cfg)
        # A further label named like a modality is told from that modality alone.
        self.further_heads = nn.ModuleDict(
            {
                name: nn.Linear(shape.channels * shape.dims.get(name, main_dim), spec.outputs)
                for name, spec in shape.further.items()
            }
        )

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        """The part that a subclass brings."""
        raise NotImplementedError(f"{cls.__name__} must implement build_fusion")

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Adds the model's flags (called by fairseq)."""
        super().add_args(flag_group(parser, "model"))

    @classmethod
    def build_model(cls, cfg: Any, task: HasBlueprint) -> "AffectModel":
        """Builds the model of a task's blueprint (called by fairseq)."""
        return cls.from_blueprint(cfg, task.blueprint)

    @classmethod
    def from_blueprint(cls, cfg: Any, blueprint: Blueprint) -> "AffectModel":
        """Builds the model for a blueprint's modalities, labels and encoders."""
        # Subclasses of before there were encoders take three arguments.
        more = (blueprint.encoders,) if blueprint.encoders else ()
        return cls(blueprint.shape(cfg.channels), blueprint.schema.label.outputs, cfg, *more)

    def fit_normalization(self, split: "Split") -> None:
        """Takes the feature statistics from the training split."""
        for name, encoder in self.encoders.items():
            if isinstance(encoder, FeatureEncoder):
                encoder.fit(in_chunks(split.features[self.shape.source(name)].vectors))

    def forward(
        self,
        features: Mapping[str, Tensor],
        lengths: Mapping[str, Tensor],
        own: Mapping[str, Tensor] | None = None,
        taught: Taught | None = None,
        windows: Mapping[str, Mapping[str, Tensor]] | None = None,
        talk: Mapping[str, Tensor] | None = None,
    ) -> AffectOutput:
        """Scores or logits of a batch.

        Args:
            features: of each modality that the data holds, (B, T, d) vectors, (B, T) tokens or
                (B, T, side, side, 3) bytes; T may differ between them.
            lengths: (B,) of each; 0 where it is missing.
            own: (B, 2) of those whose rows are read among neighbours: which items are their own.
            windows: of modalities that are read in whole dialogues (`DialogueDataset`).
            talk: which ``dialogue`` each row is of, and which ``speaker`` in it, (B,) each.
            taught: labels and places of the rows; read in training only, by fusions that ask.
        """
        encoded = self.encoders(features, self.modality_dropout(lengths), own, windows)
        inputs = {name: self.embed(name, *found) for name, found in encoded.items()}
        main = inputs[self.shape.main].pooled  # M¹
        fused, penalty, parts = self.fuse(inputs, taught)  # M_MIAs
        if self.dialogue is not None:
            fused = fused + self.dialogue(main + fused, talk)
        refined = self.dropout(self.dual_residual(main, fused))  # M̌, (B, c, d_m)
        prediction = self.head(refined.flatten(1))  # z, Eq. 15
        if self.chain is not None:
            prediction = self.chain(prediction, talk)
        scores = prediction if self.outputs > 1 else prediction.squeeze(1)
        further = {
            name: head((inputs[name].pooled if name in inputs else refined).flatten(1))
            for name, head in self.further_heads.items()
        }
        return AffectOutput(scores, penalty, parts, further)

    def fuse(self, inputs: Mapping[str, ModalityInput], taught: Taught | None) -> FusionOutput:
        """What the fusion makes of a batch; it is taught in training, if it asks.

        A penalty that hangs on which rows share the batch is left out in evaluation.
        """
        output: FusionOutput = (
            self.fusion(inputs, taught if self.training else None)
            if self.asks_for_labels
            else self.fusion(inputs)
        )
        no_penalty = self.fusion.penalizes_rows and not self.training
        return output._replace(penalty=None) if no_penalty else output

    @property
    def asks_for_labels(self) -> bool:
        """Whether criteria are to hand over labels in training."""
        return self.fusion.asks_for_labels

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

    def train_only_head(self) -> None:
        """Freezes all but the last fully-connected layer; dropout and batch norms stand still."""
        self.requires_grad_(False)
        self.head.requires_grad_(True)
        self.trains_only_head = True

    def train(self, mode: bool = True) -> "AffectModel":
        mode = mode and not self.trains_only_head
        # fairseq asks twice before each update; looking costs a tenth of setting. What is frozen of
        # an encoder stays as in evaluation, so modes are compared with those that were set.
        if self._modes.get(mode) != [module.training for module in self.modules()]:
            super().train(mode)
            self._modes[mode] = [module.training for module in self.modules()]
        return self

    def set_num_updates(self, num_updates: int) -> None:
        """Tells parts of fairseq's own, such as its encoders, how many updates were made."""
        if self._counting is None:  # looking for them costs more than telling them
            self._counting = [m for m in self.modules() if hasattr(m, "set_num_updates")][1:]
        for module in self._counting:
            module.set_num_updates(num_updates)

    def max_positions(self) -> None:
        """No limit: sequences of any length are pooled."""
        return
