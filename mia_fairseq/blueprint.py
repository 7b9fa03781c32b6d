"""What a model is built from and its checkpoints tell of it: modalities, labels, encoders.

The task makes the blueprint before the model: of the data and the flags in training, of the
checkpoint in evaluation. The model is built from it and changes nothing in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mia_fairseq.checkpoints.rows_seen import Division, Seen, divisions, seen_by
from mia_fairseq.checkpoints.task_state import BEGUN_ON, read_schema
from mia_fairseq.data.schema import Schema
from mia_fairseq.encoders.construction import EncoderStates, build_encoders
from mia_fairseq.encoders.encoder import Encoder
from mia_fairseq.encoders.encoder_settings import EncoderConfig
from mia_fairseq.fusion import FusionShape


@dataclass(frozen=True)
class Blueprint:
    """Modalities, labels and encoders of one model.

    Attributes:
        schema: modalities and labels.
        encoder_states: what checkpoints tell of the encoder of each modality that is no features,
            in plain containers.
        encoders: those encoders, as modules; none before `with_encoders`.
        fold: whose rows are the test; None: as DATA's tables say.
        begun_on: what the model that this one began from was trained on.
    """

    schema: Schema
    encoder_states: EncoderStates = field(default_factory=dict)
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    fold: int | None = None
    begun_on: Seen = ()

    def with_encoders(self, cfg: Any) -> "Blueprint":
        """The blueprint with encoders built, and with their longest sequences in its schema.

        Args:
            cfg: an `EncoderConfig`, or what an older checkpoint holds of one.

        Raises:
            InputError: a modality has no encoder, or its encoder cannot be had or does not fit.
        """
        if not self.schema.encoded:
            return self
        encoders, states = build_encoders(EncoderConfig.of(cfg), self.schema, self.encoder_states)
        limits = {name: encoder.max_positions for name, encoder in encoders.items()}
        schema = self.schema.with_limits({n: most for n, most in limits.items() if most})
        return replace(self, schema=schema, encoder_states=states, encoders=encoders)

    @property
    def seen(self) -> Seen:
        """What the model, and all that it began from, are trained on; its own first."""
        return seen_by(self.to_state())

    @property
    def divisions(self) -> Seen:
        """How its own corpus is divided, and all that it was united of."""
        return divisions(self.schema.corpus, self.schema.united, self.fold)

    def begun_from(self, seen: Seen) -> "Blueprint":
        """The blueprint of a model that takes over the weights of one that has seen these."""
        before = dict.fromkeys([*self.begun_on, *seen])
        return replace(self, begun_on=tuple(one for one in before if one not in self.divisions))

    def shape(self, channels: int) -> FusionShape:
        """All that a fusion of c channels needs to know to be built."""
        dims = {name: encoder.output_dim for name, encoder in self.encoders.items()}
        return FusionShape.of(self.schema, channels, dims)

    def to_state(self) -> dict[str, Any]:
        """Plain containers, so that a checkpoint loads without free unpickling."""
        states = {name: dict(state) for name, state in self.encoder_states.items()}
        begun_on = [list(one) for one in self.begun_on]
        return {
            "schema": self.schema.to_state(),
            **({"encoders": states} if states else {}),
            **({} if self.fold is None else {"fold": self.fold}),
            **({BEGUN_ON: begun_on} if begun_on else {}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Blueprint":
        """The blueprint of a checkpoint, its encoders not yet built.

        Raises:
            InputError: the checkpoint is not of this task, or tells of it in other types.
        """
        return cls(
            read_schema(state),
            dict(state.get("encoders", {})),
            fold=state.get("fold"),
            begun_on=tuple(Division(*one) for one in state.get(BEGUN_ON, ())),
        )
