"""What a model must know of its corpus, kept in each checkpoint: modalities and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.schema_checks import check_fits, check_named, check_surrounded
from mia_fairseq.data.views.derived import (
    Context,
    Derived,
    LinearCopy,
    parse_definition,
    parse_surroundings,
)
from mia_fairseq.data.views.reading import Reading
from mia_fairseq.errors import InputError


@dataclass(frozen=True)
class Schema:
    """The modalities in use and the labels.

    Attributes:
        corpus: its name, for reports.
        label: kind of label.
        main: the main modality.
        auxiliaries: the others, in the order of fusion.
        modalities: the specification of each, and of those that others are computed from.
        class_counts: rows of each class in the training split; empty for scores.
        derived: how auxiliaries that the data does not hold are computed from others.
        limits: positions of the encoders that have a limit, by stored modality; longer rows are
            cut when a split is opened, contexts like their source.
        surroundings: which neighbours an encoder reads together with a row, by modality.
        reading: whether rows are read alone or in whole dialogues.
        further: further labels that are learnt beside the label, by name.
        united: what the corpus was made of, as `Store.united` tells it.
    """

    corpus: str
    label: LabelSpec
    main: str
    auxiliaries: tuple[str, ...]
    modalities: Mapping[str, ModalitySpec]
    class_counts: tuple[int, ...] = ()
    derived: Mapping[str, Derived] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    surroundings: Mapping[str, Context] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    further: Mapping[str, LabelSpec] = field(default_factory=dict)
    united: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def choose(
        cls,
        store: Store,
        main: str,
        auxiliaries: tuple[str, ...],
        derived: Mapping[str, Derived],
        surroundings: Mapping[str, Context] | None = None,
        reading: Reading | None = None,
        further: Sequence[str] = (),
    ) -> "Schema":
        """The schema of a model that is to be trained on a store.

        Derived modalities become auxiliaries behind the others.

        Raises:
            InputError: a modality is unknown or named twice, or cannot be computed from what
                its source holds.
        """
        named = [(name, "--main-modality or --aux-modalities") for name in (main, *auxiliaries)]
        named += [(definition.source, "--derive or --context") for definition in derived.values()]
        check_named(named, main, auxiliaries, store)
        taken = [name for name in derived if name in store.modalities]
        if taken:
            raise InputError(
                f"{store.path}: has a modality {taken[0]!r} of its own; give the one of --derive "
                "another name"
            )
        counts: tuple[int, ...] = ()
        if store.label.kind == "classes":
            labels = store.split("train", ()).labels.astype(np.int64)
            counts = tuple(np.bincount(labels, minlength=store.label.outputs).tolist())
        specs = {name: store.modalities[name] for name, _ in named}
        for name, definition in derived.items():
            specs[name] = _derived_spec(name, definition, specs[definition.source])
        for name, window in (surroundings or {}).items():
            check_surrounded(name, window, (main, *auxiliaries), store)
        behind = (*auxiliaries, *derived)
        schema = cls(store.corpus, store.label, main, behind, specs, counts, derived)
        unknown = [name for name in further if name not in store.further_labels]
        if unknown:
            has = ", ".join(store.further_labels) or "none"
            raise InputError(
                f"{store.path}: has no further label {unknown[0]!r}, it has {has}; mend "
                "--further-labels"
            )
        learnt = {name: store.further_labels[name] for name in further}
        schema = replace(
            schema,
            surroundings=dict(surroundings or {}),
            reading=reading or Reading(),
            further=learnt,
            united=store.united,
        )
        schema.check_reading()
        return schema

    def check_reading(self) -> None:
        """Raises `InputError` where dialogues are to be read and nothing in use can be read so."""
        if not self.reading.at_once:
            return
        if self.surroundings:
            raise InputError(
                f"--read {self.reading.read} reads whole dialogues, --surroundings "
                f"{', '.join(self.described_surroundings.values())} parts of them; leave one out"
            )
        if not self.read_in_dialogues:
            raise InputError(
                f"--read {self.reading.read} is about tokens, which an encoder reads, and "
                f"{', '.join(self.inputs)} are none; extract tokens, or use --conversation NAME"
            )

    def with_limits(self, limits: Mapping[str, int]) -> "Schema":
        """The schema with the positions of a model's encoders; those of contexts are left out."""
        return replace(self, limits={n: int(limits[n]) for n in self.stored if n in limits})

    @property
    def used(self) -> tuple[str, ...]:
        """Main modality first, then the auxiliaries."""
        return (self.main, *self.auxiliaries)

    @property
    def stored(self) -> tuple[str, ...]:
        """The modalities that the data must hold: those in use and those computed from."""
        names = [n for n in self.used if n not in self.derived]
        return tuple(dict.fromkeys([*names, *(d.source for d in self.derived.values())]))

    @property
    def encoded(self) -> tuple[str, ...]:
        """The stored modalities that need an encoder: those that are no features."""
        return tuple(name for name in self.stored if self.modalities[name].kind != "features")

    @property
    def contexts(self) -> dict[str, Context]:
        """The modalities that are computed when a split is opened."""
        return {n: d for n, d in self.derived.items() if isinstance(d, Context)}

    @property
    def copies(self) -> dict[str, str]:
        """The modalities that the model makes itself, and of which it makes them."""
        return {n: d.source for n, d in self.derived.items() if isinstance(d, LinearCopy)}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The modalities that a batch holds."""
        return tuple(dict.fromkeys(self.copies.get(name, name) for name in self.used))

    @property
    def read_in_dialogues(self) -> tuple[str, ...]:
        """The modalities whose encoder reads whole dialogues."""
        if not self.reading.at_once:
            return ()
        own = (name for name in self.inputs if name not in self.contexts)
        return tuple(name for name in own if self.modalities[name].kind == "tokens")

    @property
    def described_surroundings(self) -> dict[str, str]:
        """``surroundings`` as the command line writes them."""
        return {name: str(window) for name, window in self.surroundings.items()}

    def to_state(self) -> dict[str, Any]:
        """Plain containers, so that a checkpoint loads without free unpickling."""
        further = {name: spec.to_json() for name, spec in self.further.items()}
        return {
            "corpus": self.corpus,
            "label": self.label.to_json(),
            "main": self.main,
            "auxiliaries": list(self.auxiliaries),
            "modalities": {name: spec.to_json() for name, spec in self.modalities.items()},
            "class_counts": list(self.class_counts),
            "derived": {name: str(definition) for name, definition in self.derived.items()},
            **({"limits": dict(self.limits)} if self.limits else {}),
            **({"surroundings": self.described_surroundings} if self.surroundings else {}),
            **({"reading": self.reading.to_json()} if self.reading != Reading() else {}),
            **({"further": further} if further else {}),
            **({"united": dict(self.united)} if self.united else {}),
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
            derived={  # older checkpoints have none
                name: parse_definition(text) for name, text in state.get("derived", {}).items()
            },
            limits=dict(state.get("limits", {})),
            surroundings=parse_surroundings(",".join(state.get("surroundings", {}).values())),
            reading=Reading.from_json(state.get("reading", {})),
            further={
                name: LabelSpec.from_json(spec, where)
                for name, spec in state.get("further", {}).items()
            },
            united=dict(state.get("united", {})),
        )

    def check_fits(self, store: Store) -> None:
        """Raises `InputError` unless a store has what this schema was trained on."""
        check_fits(self, store)


def _derived_spec(name: str, definition: Derived, source: ModalitySpec) -> ModalitySpec:
    """The specification of a modality that is computed from another one."""
    if source.kind == "features":
        return ModalitySpec(source.dim, str(definition))
    if isinstance(definition, Context) and source.kind != "tokens":
        raise InputError(
            f"--context {definition}: {definition.source} holds {source.kind}, expected features "
            f"or tokens; leave {name} out"
        )
    return replace(source, extractor=str(definition))
