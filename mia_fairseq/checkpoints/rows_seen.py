"""Which rows a trained model has seen: the one rule of where it may go on, start and be tested.

A model knows its corpus as the rows were divided when it was trained: by a fold, or as DATA's
tables say. So does every model that began from it or from its encoder. On that corpus each of them
is trained and tested in that division alone, or it would be tested on rows that it was trained on.

A corpus that preprocess.unite made is known by its parts as well: a model of a part is tested on a
whole, and one of a whole on a part, as the part's rows were divided in training.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mia_fairseq.checkpoints.task_state import BEGUN_ON, TRAINED_ON, check_task_state
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError


class Division(NamedTuple):
    """The rows of a corpus, divided into those that are trained on and others.

    Attributes:
        corpus: its name.
        fold: which one was the test; None: as the tables say.
    """

    corpus: str
    fold: int | None


Seen = tuple[Division, ...]  # its own first


def divisions(corpus: str, united: Mapping[str, int | None], fold: int | None) -> Seen:
    """How a corpus is divided, and how all that it was united of is.

    Args:
        corpus: its name.
        united: part -> the fold that divided it when the whole was made (`Store.united`).
        fold: by which the whole is divided now.
    """
    parts = (Division(part, fold if made is None else made) for part, made in united.items())
    return (Division(corpus, fold), *parts)


def seen_by(task_state: Mapping[str, Any]) -> Seen:
    """What a model, and what it began from, were trained on.

    Args:
        task_state: of a checkpoint, or an exported model's config.json.

    Raises:
        InputError: it is not of this task, or tells of it in other types.
    """
    check_task_state(task_state)
    schema = task_state["schema"]
    own = divisions(schema["corpus"], schema.get("united", {}), task_state.get("fold"))
    before = list(task_state.get(BEGUN_ON, ()))
    for encoder in task_state.get("encoders", {}).values():
        before += encoder.get(TRAINED_ON, ())
    return tuple(dict.fromkeys([*own, *(Division(*one) for one in before)]))


def fold_for(seen: Iterable[Division], store: Store) -> int | None:
    """The fold whose rows are a model's test in a DATA folder; None: its tables say which are.

    Raises:
        InputError: no division of it keeps all that the model has learnt from the test.
    """
    seen = tuple(seen)
    asked = [then for then, _ in _both(seen, _of(store, None))]
    for fold in dict.fromkeys([None, *(one.fold for one in asked)]):
        if not _differing(seen, _of(store, fold)):
            return fold
    folds = list(dict.fromkeys(one.fold for one in asked))
    if len(folds) > 1:
        raise InputError(
            f"trained on {store.corpus} {' and '.join(map(_with, folds))}, so there may be no row "
            "that is unseen; test each model alone, as it was trained"
        )
    ((then, here), *_) = _differing(seen, _of(store, folds[0]))
    again = "" if then.fold is None else f" with --fold {then.fold}"
    raise InputError(
        f"{store.path}: its rows of {here.corpus} were divided {_with(here.fold)} when it was "
        f"united, the model was trained on them {_with(then.fold)}: it may have been trained on "
        f"the rows that are tested; unite the parts again{again or ' without --fold'}"
    )


def check_unseen(seen: Iterable[Division], here: Seen, who: str, mend: str) -> None:
    """Raises `InputError` where a model may have seen the rows that others are kept from.

    Args:
        seen: by the model.
        here: `divisions` of the rows.
        who: the model's file, for messages.
        mend: what to do.
    """
    for then, now in _differing(seen, here):
        if now.corpus != here[0].corpus and now.fold != here[0].fold:
            has = f"has those of {now.corpus} divided {_with(now.fold)} when they were united"
        else:
            has = f"has {'none' if now.fold is None else f'--fold {now.fold}'}"
        raise InputError(
            f"{who} was trained {_with(then.fold)}, this run {has}: it may have been trained on "
            f"the rows that are tested; {mend}"
        )


def _of(store: Store, fold: int | None) -> Seen:
    return divisions(store.corpus, store.united, fold)


def _differing(seen: Iterable[Division], here: Seen) -> list[tuple[Division, Division]]:
    """What was divided otherwise when a model saw it: (then, now) each."""
    return [(then, now) for then, now in _both(seen, here) if then.fold != now.fold]


def _both(seen: Iterable[Division], here: Seen) -> list[tuple[Division, Division]]:
    """All that a model has seen and that is here: (then, now) each."""
    (corpus, fold), *parts = here
    if not parts:  # one corpus, or made before wholes told their parts but by their names
        parts = [Division(part, fold) for part in corpus.split("+") if part != corpus]
    now = {one.corpus: one for one in (here[0], *parts)}
    found = [(then, now[then.corpus]) for then in _in_parts(seen) if then.corpus in now]
    if len(here) > 1 and {one.corpus for one in parts} <= {then.corpus for then, _ in found}:
        return [(then, part) for then, part in found if part != here[0]]  # the parts say it all
    return found


def _in_parts(seen: Iterable[Division]) -> Iterator[Division]:
    """Divisions, and those of a whole's parts where its name alone tells them.

    A whole without --fold may have been divided otherwise when it was made, which such a name does
    not tell.
    """
    for one in seen:
        yield one
        if one.fold is not None:
            parts = one.corpus.split("+")
            yield from (Division(part, one.fold) for part in parts if part != one.corpus)


def _with(fold: int | None) -> str:
    return "without --fold" if fold is None else f"with --fold {fold}"
