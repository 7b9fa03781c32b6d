"""Transfer (Sec. 5.2, Table 5): a model starts from what was learnt on another corpus or task.

``--init-from CKPT`` takes over all weights and the statistics of the features; ``--reset-head``
leaves out the last fully-connected layer, for other labels; ``--train-only head`` trains that one
alone, the paper's "fine-turning the last fully-connected layer". Encoders are built from the
checkpoint: their pretrained files need not be there.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.schema import Schema
from mia_fairseq.encoders.encoder_settings import EncoderConfig
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.modules.row_memory import memories

logger = logging.getLogger(__name__)

HEAD = "head."


@dataclass(frozen=True)
class Trained:
    """A checkpoint to start from.

    Attributes:
        path: the file.
        blueprint: modalities, labels and encoders that it was trained with.
        settings: of its model.
        weights: its parameters and buffers.
    """

    path: str
    blueprint: Blueprint
    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor]

    @property
    def schema(self) -> Schema:
        """The modalities and labels that it was trained on."""
        return self.blueprint.schema

    @classmethod
    def chosen(cls, cfg: Any) -> "Trained | None":
        """Reads the checkpoint that a model's settings name; None where they name none.

        Raises:
            InputError: it cannot be read or was not trained with this task, or a setting needs
                one and there is none.
        """
        path = getattr(cfg, "init_from", None)
        if not path:
            for flag in ("reset_head", "train_only"):
                if str(getattr(cfg, flag, "all")) not in ("False", "all"):
                    raise InputError(
                        f"--{flag.replace('_', '-')} is about a checkpoint to start from, and "
                        "--init-from names none; give one"
                    )
            return None
        state = read_state(path)
        try:
            blueprint = Blueprint.from_state(state.get("task_state") or {})
        except InputError as error:
            raise InputError(f"--init-from {path}: {error}") from error
        return cls(str(path), blueprint, dict(state["cfg"]["model"]), dict(state["model"]))

    def hand_over(self, model: AffectModel, schema: Schema, store: Store, cfg: Any) -> None:
        """Gives a new model the weights.

        Args:
            model: changed in place.
            schema: what the new model reads and tells.
            store: what it is trained on.
            cfg: its settings.

        Raises:
            InputError: modalities, labels or settings are not those of the checkpoint.
        """
        self._check_modalities(schema, store)
        own = model.state_dict()
        # What is kept of training rows is of other rows.
        anew = {f"fusion.{name}" for name in memories(model.fusion)}
        anew |= {name for name in own if cfg.reset_head and _of_head(name)}
        kept = {k: v for k, v in self.weights.items() if k not in anew}
        labels = [(spec.kind, spec.names) for spec in (schema.label, self.schema.label)]
        if not cfg.reset_head and labels[0] != labels[1]:
            raise InputError(
                f"--init-from {self.path}: was trained on labels {self.schema.label.to_json()}, "
                f"{store.path} has {store.label.to_json()}; add --reset-head"
            )
        kept |= {name: own[name] for name in anew}
        # What the checkpoint leaves out is there already, from its pretrained file.
        states = self.blueprint.encoder_states
        there = tuple(f"encoders.{name}." for name in states if not states[name]["stored"])
        wrong = [name for name in sorted(own.keys() ^ kept.keys()) if not name.startswith(there)]
        wrong += [name for name in own.keys() & kept.keys() if own[name].shape != kept[name].shape]
        if wrong:
            raise InputError(
                f"--init-from {self.path}: its model is another one ({wrong[0]} and "
                f"{len(wrong) - 1} more weights differ); {self._differences(cfg)}"
            )
        model.load_state_dict(kept, strict=True)
        if str(cfg.train_only) == "head":
            model.train_only_head()
        logger.info("started from %s, trained on %s", self.path, self.schema.corpus)

    def _check_modalities(self, schema: Schema, store: Store) -> None:
        if described(schema) != described(self.schema):
            raise InputError(
                f"--init-from {self.path}: was trained on {described(self.schema)}, "
                f"got {described(schema)}; give --main-modality, --aux-modalities, --derive and "
                "--context as in its training"
            )
        replace(self.schema, label=store.label).check_fits(store)

    def _differences(self, cfg: Any) -> str:
        """What to mend: the settings of then that are not those of now."""
        other = [
            f"--{name.replace('_', '-')} {then}"
            for name, then in self.settings.items()
            if isinstance(then, int)
            and then != getattr(cfg, name, None)
            and name not in ("reset_head", *EncoderConfig.__dataclass_fields__)
        ]
        if self.settings.get("_name") != getattr(cfg, "_name", None):
            other = [f"--arch {self.settings.get('_name')}"]
        return f"it was trained with {', '.join(other)}" if other else "give its model's settings"


def described(schema: Schema) -> str:
    """The modalities in the order of fusion, and how those are made that the data does not hold."""
    derived = {name: str(definition) for name, definition in schema.derived.items()}
    return ", ".join(n if derived.get(n, n) == n else f"{n}={derived[n]}" for n in schema.used)


def _of_head(name: str) -> bool:
    return name.startswith(HEAD)
