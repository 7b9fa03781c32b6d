"""Opens a split as a model reads it: what is on disk, perturbed or not, and contexts of it."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mia_fairseq.data.format.store import Split, Store
from mia_fairseq.data.format.tables import VectorTable
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.statistics import column_moments, in_chunks
from mia_fairseq.data.views.context import context_tables
from mia_fairseq.data.views.cut_rows import CutTable, log_cut
from mia_fairseq.data.views.derived import Context
from mia_fairseq.data.views.perturbation import Perturbation
from mia_fairseq.data.views.surroundings import surrounded_table
from mia_fairseq.data.views.token_context import token_context_tables
from mia_fairseq.errors import InputError

TRAINING = "train"  # the split whose deviation is the unit of noise

Deviations = Mapping[str, NDArray[Any]]  # (d,) by modality


def open_split(
    store: Store, name: str, schema: Schema, perturbation: Perturbation | None = None
) -> Split:
    """Opens one split with the modalities that the schema's model reads.

    A context is computed from what the perturbation left of its source, so a dropped modality's
    contexts are gone too; a context may also be perturbed by its own name. What an encoder reads
    around a row (``schema.surroundings``) is what the perturbation left of the neighbours. Rows
    that are longer than their encoder's positions (``schema.limits``) are cut, and counted in the
    log.

    Args:
        store: the DATA folder.
        name: the split.
        schema: which modalities are read, and which are computed from which.
        perturbation: what is done to modalities in evaluation.

    Raises:
        InputError: the split or one of its files cannot be read, a context cannot be computed,
            or there is nothing to perturb under a name.
    """
    done = perturbation or Perturbation()
    known = (*schema.stored, *schema.contexts)
    for perturbed in done.names:
        if perturbed not in known:
            raise InputError(
                f"--drop, --noise or --misalign names {perturbed!r}, which the checkpoint does "
                f"not read from the data; expected one of {', '.join(known)}"
            )
    for perturbed in done.noise:
        if schema.modalities[perturbed].kind != "features":
            raise InputError(
                f"--noise {perturbed}: it holds {schema.modalities[perturbed].kind}, and noise is "
                "added to features only; use --drop or --misalign"
            )
    deviations: dict[str, NDArray[Any]] = {}
    if done.noise:
        clean = _tables(store.split(TRAINING, schema.stored), schema, Perturbation(), {})
        for modality in done.noise:
            vectors = clean[modality].vectors
            deviations[modality] = column_moments(in_chunks(vectors), vectors.shape[1])[1]
    split = store.split(name, schema.stored)
    tables = _tables(split, schema, done, deviations)
    split.features = {modality: tables[modality] for modality in schema.inputs}
    split.specs = {name: split.specs.get(name, schema.modalities[name]) for name in schema.inputs}
    return split


def _tables(
    split: Split, schema: Schema, done: Perturbation, deviations: Deviations
) -> dict[str, VectorTable]:
    """All stored modalities of an open split and all contexts, perturbed."""
    tables = {
        name: done.apply(name, table, deviations.get(name))
        for name, table in split.features.items()
    }
    by_source: dict[str, list[Context]] = {}
    for context in schema.contexts.values():
        by_source.setdefault(context.source, []).append(context)
    for source, contexts in by_source.items():
        if split.specs[source].kind == "tokens":
            limit = schema.limits.get(source)
            made = token_context_tables(split, tables[source], contexts, limit)
        else:
            made = context_tables(split, tables[source], contexts)
        for name, table in made.items():
            tables[name] = done.apply(name, table, deviations.get(name))
    for name, window in schema.surroundings.items():
        tables[name] = surrounded_table(split, tables[name], window, schema.limits.get(name))
    for name, limit in schema.limits.items():
        if name in schema.surroundings:
            continue  # is cut already
        log_cut(split.name, name, tables[name].lengths, limit, lambda row: split.rows[row].id)
        tables[name] = CutTable(tables[name], limit)
    return tables
