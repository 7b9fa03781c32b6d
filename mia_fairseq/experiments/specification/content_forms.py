"""Which form each key of an experiment's file has, checked before anything is made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError

MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Plain:
    """A single value: what it is called, and whether something is one."""

    called: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Each:
    """Names, each with a value of one form; ``empty``: null may stand for a value."""

    form: Any
    empty: bool = False


@dataclass(frozen=True)
class Listed:
    """A list of values of one form."""

    form: Any


@dataclass(frozen=True)
class Either:
    """One of two forms; the first that is a single value, a list or names as the value is."""

    forms: tuple[Any, ...]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TEXT = Plain("text", lambda value: isinstance(value, str))
TEXT_OR_NONE = Plain("text or null", lambda value: value is None or isinstance(value, str))
SCALAR = Plain("a text, a number, true, false or null", lambda v: not isinstance(v, dict | list))
SWITCH = Plain("true or false", lambda value: isinstance(value, bool))
NUMBER = Plain("a number", _is_number)
CELL = Plain("a number or null", lambda value: value is None or _is_number(value))
SEEDS = Plain(
    f"a whole number from 1 to {MOST_SEEDS}", lambda v: type(v) is int and 0 < v <= MOST_SEEDS
)
MODALITY = Plain("modality", lambda value: value == "modality")
FLAGS = Each(SCALAR)
RUN = {
    **{"flags": FLAGS, "use": Listed(TEXT), "only_validation": SWITCH},
    **dict.fromkeys(("paper", "data", "after"), TEXT),
}
PUBLISHED = {"metric": TEXT, "columns": Listed(TEXT), "rows": Each(Listed(CELL))}
RANGE = {"choices": Listed(SCALAR), "low": NUMBER, "high": NUMBER, "log": SWITCH}
FORMS: dict[str, Any] = {
    **dict.fromkeys(("claim", "needs", "status", "note", "split", "gives", "beside", "time"), TEXT),
    **dict.fromkeys(("reference", "plot", "metric"), TEXT_OR_NONE),  # null: not the inherited one
    **dict.fromkeys(("folds", "constant", "only_validation"), SWITCH),
    **dict.fromkeys(("flags", "transfer"), FLAGS),
    **dict.fromkeys(("by_label", "groups", "evaluations"), Each(FLAGS, empty=True)),
    "inputs": Each(Either((TEXT, {"what": TEXT, "default": SCALAR})), empty=True),
    "data": Each(Listed(TEXT), empty=True),
    "seeds": SEEDS,
    "sweep": Each(Listed(SCALAR)),
    "for_each": MODALITY,
    "command": Listed(TEXT),
    "search": Each(RANGE),
    "tune": {"most-parameters": NUMBER},
    "paper": Each(PUBLISHED),
    "runs": Each(RUN),
}
WHOLE = {"inputs": ("what", "default"), "paper": ("metric", "columns", "rows")}


def check_forms(content: Mapping[str, Any], path: Path) -> None:
    """Whether each key that is there holds what it should.

    Args:
        content: of a file, with all that it inherits and its values filled in.
        path: the file, for the error.

    Raises:
        InputError: a value is of another form, or a part of it is missing.
    """
    for key in content.keys() & FORMS.keys():
        _check(content[key], FORMS[key], f"{path}: {key}")
    for name, table in content.get("paper", {}).items():
        lacking = [part for part in WHOLE["paper"] if part not in table]
        if lacking:
            raise InputError(f"{path}: paper, {name} has no {lacking[0]}; add it")
        for row, cells in table["rows"].items():
            if len(cells) != len(table["columns"]):
                raise InputError(
                    f"{path}: paper, {name}, {row} has {len(cells)} numbers, expected one for each "
                    f"of its {len(table['columns'])} columns; mend the row"
                )
    for name, given in content.get("inputs", {}).items():
        if isinstance(given, dict) and set(given) != set(WHOLE["inputs"]):
            raise InputError(f"{path}: inputs, {name} has not both what and default; add them")


def _check(value: Any, form: Any, where: str) -> None:
    if isinstance(form, Either):
        form = next(one for one in form.forms if isinstance(one, dict) is isinstance(value, dict))
    if isinstance(form, Plain):
        if not form.fits(value):
            raise InputError(f"{where} is {_told(value)}, expected {form.called}; mend it")
    elif isinstance(form, Listed):
        if not isinstance(value, list):
            raise InputError(f"{where} is {_told(value)}, expected a list; mend it")
        for place, part in enumerate(value):
            _check(part, form.form, f"{where}, value {place + 1}")
    else:
        _check_names(value, form, where)


def _check_names(value: Any, form: Any, where: str) -> None:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{where} is {_told(value)}, expected names with values; mend it")
    for name, part in value.items():
        inside = f"{where}, {name}"
        if isinstance(form, Each):
            if part is not None or not form.empty:
                _check(part, form.form, inside)
        elif name not in form:
            raise InputError(
                f"{where} has {name[:60]!r}, which is no key; expected one of {', '.join(form)}"
            )
        else:
            _check(part, form[name], inside)


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
