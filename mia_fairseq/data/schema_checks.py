"""Whether DATA has what flags name and what a model was trained on; `Schema` asks here."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mia_fairseq.data.format.store import Store
from mia_fairseq.data.views.derived import Context
from mia_fairseq.errors import InputError

if TYPE_CHECKING:
    from mia_fairseq.data.schema import Schema


def check_named(
    named: Iterable[tuple[str, str]], main: str, auxiliaries: tuple[str, ...], store: Store
) -> None:
    """Raises `InputError` unless each modality is there and named once.

    Args:
        named: modalities, and the flags that name them.
        main: of them.
        auxiliaries: of them.
        store: DATA.
    """
    for name, flags in named:
        if name not in store.modalities:
            raise InputError(
                f"{store.path}: has no modality {name!r}, it has "
                f"{', '.join(store.modalities)}; mend {flags}"
            )
    twice = [n for n in auxiliaries if n == main or auxiliaries.count(n) > 1]
    if twice:
        raise InputError(
            f"modality {twice[0]!r} is given twice by --main-modality {main} and "
            f"--aux-modalities {','.join(auxiliaries)}; name each once"
        )


def check_surrounded(name: str, window: Context, used: tuple[str, ...], store: Store) -> None:
    """Raises `InputError` unless a modality's rows can be read among their neighbours."""
    if name not in used:
        raise InputError(
            f"--surroundings {window}: {name!r} is not in use, expected one of {', '.join(used)}; "
            "mend --surroundings, --main-modality or --aux-modalities"
        )
    kind = store.modalities[name].kind
    if kind != "tokens":
        raise InputError(
            f"--surroundings {window}: {name} holds {kind}, expected tokens, which an encoder "
            "reads; neighbours' features can be modalities of their own, by --context"
        )


def check_fits(schema: "Schema", store: Store) -> None:
    """Raises `InputError` unless a store has what a schema was trained on."""
    for name in schema.stored:
        trained = schema.modalities[name]
        found = store.modalities.get(name)
        if found is None:
            raise InputError(
                f"{store.path}: has no modality {name!r}, which the checkpoint was trained on; "
                f"it has {', '.join(store.modalities)}; evaluate on data with "
                f"{', '.join(schema.stored)}"
            )
        if found.kind != trained.kind:
            raise InputError(
                f"{store.path}: {name} holds {found.kind} ({found.extractor}), the checkpoint "
                f"was trained on {trained.kind} ({trained.extractor}); extract the same"
            )
        if found.dim != trained.dim:
            raise InputError(
                f"{store.path}: {name} has dim {found.dim} ({found.extractor}), the checkpoint "
                f"was trained on {trained.dim} ({trained.extractor}); extract the same features"
            )
        for key in ("pad", "dictionary", "tokenizer"):
            here, then = found.extra.get(key), trained.extra.get(key)
            if trained.kind == "tokens" and here != then:
                raise InputError(
                    f"{store.path}: {name} was made with {key} {here!r}, the checkpoint was "
                    f"trained with {then!r}; extract the same tokens"
                )
    for name, spec in schema.further.items():
        there = store.further_labels.get(name, spec)
        if (there.kind, there.names) != (spec.kind, spec.names):
            raise InputError(
                f"{store.path}: the further label {name!r} is {there.to_json()}, the "
                f"checkpoint was trained on {spec.to_json()}; evaluate on data with the same"
            )
    if store.label.kind != schema.label.kind or store.label.names != schema.label.names:
        raise InputError(
            f"{store.path}: labels are {store.label.to_json()}, the checkpoint was trained on "
            f"{schema.label.to_json()}; evaluate on data with the same labels"
        )
