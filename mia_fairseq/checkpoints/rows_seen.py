"""Which rows a trained model has seen: the one rule of where it may go on, start and be tested.

A model knows its corpus as the rows were divided when it was trained: by a fold, or as DATA's
tables say. So does every model that began from it or from its encoder. On that corpus each of them
is trained and tested in that division alone, or it would be tested on rows that it was trained on.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mia_fairseq.checkpoints.task_state import BEGUN_ON, TRAINED_ON, check_task_state
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


def seen_by(task_state: Mapping[str, Any]) -> Seen:
    """What a model, and what it began from, were trained on.

    Args:
        task_state: of a checkpoint, or an exported model's config.json.

    Raises:
        InputError: it is not of this task, or tells of it in other types.
    """
    check_task_state(task_state)
    own = Division(task_state["schema"]["corpus"], task_state.get("fold"))
    before = list(task_state.get(BEGUN_ON, ()))
    for encoder in task_state.get("encoders", {}).values():
        before += encoder.get(TRAINED_ON, ())
    return tuple(dict.fromkeys([own, *(Division(*one) for one in before)]))


def fold_for(seen: Iterable[Division], corpus: str) -> int | None:
    """The fold whose rows are a model's test in a corpus; None: its tables say which are.

    Raises:
        InputError: the corpus was divided in several ways, so that no row is unseen.
    """
    folds = list(dict.fromkeys(one.fold for one in seen if _holds(one, corpus)))
    if len(folds) > 1:
        raise InputError(
            f"trained on {corpus} {' and '.join(map(_with, folds))}, so there may be no row that "
            "is unseen; test each model alone, as it was trained"
        )
    return folds[0] if folds else None


def check_unseen(
    seen: Iterable[Division], corpus: str, fold: int | None, who: str, mend: str
) -> None:
    """Raises `InputError` where a model may have seen the rows that others are kept from.

    Args:
        seen: by the model.
        corpus: of the rows.
        fold: by which they are divided now.
        who: the model's file, for messages.
        mend: what to do.
    """
    for one in seen:
        if _holds(one, corpus) and one.fold != fold:
            raise InputError(
                f"{who} was trained {_with(one.fold)}, this run has "
                f"{'none' if fold is None else f'--fold {fold}'}: it may have been trained on the "
                f"rows that are tested; {mend}"
            )


def _holds(one: Division, corpus: str) -> bool:
    """Whether a corpus was divided so, by itself or in one that preprocess.unite made of it.

    A whole without --fold may have been divided otherwise when it was made, which nobody knows.
    """
    if one.corpus == corpus:
        return True
    return one.fold is not None and corpus in one.corpus.split("+")


def _with(fold: int | None) -> str:
    return "without --fold" if fold is None else f"with --fold {fold}"
