"""What a fusion is built from, what it sees, and what it returns.

B batch, T time, c channels, d a modality's dim, d_m the main modality's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.modules.row_memory import resize_memories


class ModalityInput(NamedTuple):
    """What a fusion sees of one modality."""

    pooled: Tensor  # (B, c, d), adapted
    sequence: Tensor  # (B, T, d), as the encoder puts it out, zeros behind each end
    mask: Tensor  # (B, T), True where there is data


NO_PARTS: Mapping[str, Tensor] = MappingProxyType({})


class Taught(NamedTuple):
    """What training tells a fusion that asks for it; evaluation and prediction never do."""

    labels: Tensor  # (B,) scores or classes
    rows: Tensor  # (B,) places in the training split
    further: Mapping[str, Tensor] = NO_PARTS  # further labels by name, NaN where not known


class FusionOutput(NamedTuple):
    """What a fusion returns."""

    fused: Tensor  # (B, c, d_m), added to the main modality in Eq. 11
    penalty: Tensor | None = None  # a scalar for the criterion's second loss
    parts: Mapping[str, Tensor] = NO_PARTS  # gates, routing weights: (B, ...), for reports


class Fusion(nn.Module):
    """Base of fusions: ``forward({modality: ModalityInput}) -> FusionOutput``.

    A fusion with `asks_for_labels` has ``forward(inputs, taught)``, where `taught` is a `Taught`
    in training and None otherwise.

    A fusion with `penalizes_rows` computes its penalty from a batch's rows, so it is of training
    alone: in evaluation it would tell which rows share a batch, and so would the validation loss.
    """

    asks_for_labels: ClassVar[bool] = False
    penalizes_rows: ClassVar[bool] = False

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        raise NotImplementedError(f"{type(self).__name__} must implement forward")

    def begin_training(self, rows: int) -> None:
        """Makes room for what is kept of each training row (see `RowMemory`); once, when built."""
        resize_memories(self, rows)


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
        label: the kind of label, for fusions that predict it themselves.
        past: whether a row may see nothing later of its dialogue.
        further: kinds of the further labels that are learnt, by name.
    """

    main: str
    auxiliaries: tuple[str, ...]
    dims: Mapping[str, int]
    channels: int
    copies: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    label: LabelSpec = field(default_factory=lambda: LabelSpec("regression"))
    past: bool = False
    further: Mapping[str, LabelSpec] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: Schema, channels: int, encoded: Mapping[str, int]) -> "FusionShape":
        """The shape of a schema's modalities.

        Args:
            schema: the modalities.
            channels: c.
            encoded: d of what the encoder of each modality that is no features puts out.
        """
        shared = {name: c.source for name, c in schema.contexts.items() if c.source in encoded}
        dims = {}
        for name in schema.used:
            owner = shared.get(name, schema.copies.get(name, name))
            dims[name] = encoded.get(owner, schema.modalities[name].dim)
        names = schema.main, schema.auxiliaries
        copies, past = schema.copies, schema.reading.past
        return cls(*names, dims, channels, copies, shared, schema.label, past, schema.further)

    def source(self, name: str) -> str:
        """Under what name the data holds a modality."""
        return self.copies.get(name, name)

    def encoded_by(self, name: str) -> str:
        """Whose encoder reads a modality."""
        return self.shared.get(name, self.source(name))
