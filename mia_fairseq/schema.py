"""What a model must know of its corpus, kept in each checkpoint: modalities and labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mia_fairseq.data.labels import LabelSpec
from mia_fairseq.data.store import ModalitySpec, Store
from mia_fairseq.errors import InputError


@dataclass(frozen=True)
class Schema:
    """The modalities in use and the labels.

    Attributes:
        corpus: its name, for reports.
        label: kind of label.
        main: the main modality.
        auxiliaries: the others, in the order of fusion.
        modalities: the specification of each.
        class_counts: rows of each class in the training split; empty for scores.
    """

    corpus: str
    label: LabelSpec
    main: str
    auxiliaries: tuple[str, ...]
    modalities: Mapping[str, ModalitySpec]
    class_counts: tuple[int, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """Main modality first, then the auxiliaries."""
        return (self.main, *self.auxiliaries)

    def to_state(self) -> dict[str, Any]:
        """Plain containers, so that a checkpoint loads without free unpickling."""
        return {
            "corpus": self.corpus,
            "label": self.label.to_json(),
            "main": self.main,
            "auxiliaries": list(self.auxiliaries),
            "modalities": {name: spec.to_json() for name, spec in self.modalities.items()},
            "class_counts": list(self.class_counts),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Schema":
        where = "the checkpoint"
        return cls(
            corpus=state["corpus"],
            label=LabelSpec.from_json(state["label"], where),
            main=state["main"],
            auxiliaries=tuple(state["auxiliaries"]),
            modalities={
                name: ModalitySpec.from_json(spec, f"{where}, {name}")
                for name, spec in state["modalities"].items()
            },
            class_counts=tuple(state["class_counts"]),
        )

    def check_fits(self, store: Store) -> None:
        """Raises `InputError` unless a store has what this schema was trained on."""
        for name in self.used:
            trained = self.modalities[name]
            found = store.modalities.get(name)
            if found is None:
                raise InputError(
                    f"{store.path}: has no modality {name!r}, which the checkpoint was trained on; "
                    f"it has {', '.join(store.modalities)}; evaluate on data with "
                    f"{', '.join(self.used)}"
                )
            if found.dim != trained.dim:
                raise InputError(
                    f"{store.path}: {name} has dim {found.dim} ({found.extractor}), the checkpoint "
                    f"was trained on {trained.dim} ({trained.extractor}); extract the same features"
                )
        if store.label.kind != self.label.kind or store.label.names != self.label.names:
            raise InputError(
                f"{store.path}: labels are {store.label.to_json()}, the checkpoint was trained on "
                f"{self.label.to_json()}; evaluate on data with the same labels"
            )
