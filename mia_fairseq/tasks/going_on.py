"""A training that goes on from a checkpoint of fairseq's: is it the training of these flags?

fairseq's trainer compares shapes of weights alone, so that classes or modalities in another order,
and another fold, would pass.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.checkpoints.rows_seen import check_unseen
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.tasks.init_from import described

SAME = "name another --save-dir, or give the flags of its training"
OTHER = "name another checkpoint, or give the flags of its training"


def going_on(
    now: Blueprint, task_state: Mapping[str, Any], path: str, *, same_training: bool
) -> Blueprint:
    """The blueprint of a training that takes a checkpoint's weights over.

    Args:
        now: of the flags.
        task_state: of the checkpoint.
        path: of the checkpoint, for messages.
        same_training: whether it is the training's own last one; else one that it starts from,
            which may be of another corpus.

    Raises:
        InputError: the weights would not mean what they did, or have learnt rows that are now kept
            for testing.
    """
    mend = SAME if same_training else OTHER
    try:
        then = Blueprint.from_state(task_state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    check_unseen(then.seen, now.divisions, path, mend)
    both = zip(
        _meanings(then.schema, same_training), _meanings(now.schema, same_training), strict=True
    )
    for (what, before), (_, here) in both:
        if before != here:
            if what == "for the label" and not same_training:
                mend = "start from it by --init-from with --reset-head"
            raise InputError(f"{path} was trained {what} {before}, this run has {here}; {mend}")
    return now.begun_from(then.seen)


def _meanings(schema: Schema, same_training: bool) -> Iterator[tuple[str, str]]:
    """What gives a model's weights their meaning, but for their shapes."""
    yield "on the modalities", described(schema)
    yield "for the label", _described(schema.label)
    further = [f"{name} ({_described(schema.further[name])})" for name in sorted(schema.further)]
    yield "for the further labels", ", ".join(further) or "none"
    if same_training:
        yield "on the corpus", schema.corpus
        yield "with --surroundings", ",".join(schema.described_surroundings.values()) or "none"
        yield "with --read", str(schema.reading.to_json() or "none")


def _described(label: LabelSpec) -> str:
    return f"{label.kind} {', '.join(label.names)}" if label.names else label.kind
