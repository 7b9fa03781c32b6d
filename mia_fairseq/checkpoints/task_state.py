"""What a checkpoint, or an exported model's config.json, tells of its task: checked by type."""

from collections.abc import Callable, Mapping
from typing import Any

from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError, quoted

MEND = "give a checkpoint as fairseq-train wrote it"
Check = Callable[[Any], bool]
BEGUN_ON = "begun_on"  # what a model that it began from was trained on: [corpus, fold] each
TRAINED_ON = "trained_on"  # the same of an encoder that learnt along in another training


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _all(check: Check, kind: Any = list) -> Check:
    """Whether a list, or a mapping's values, are all of a kind."""

    def holds(value: Any) -> bool:
        if kind is list:
            return isinstance(value, list | tuple) and all(map(check, value))
        return _is_table(value) and all(map(check, value.values()))

    return holds


def _is_fold(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_division(value: Any) -> bool:
    """Whether it is a corpus and the fold that was its test, or None."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    return _is_text(value[0]) and _is_fold(value[1])


_SCHEMA: Mapping[str, Check] = {
    "corpus": _is_text,
    "label": _is_table,
    "main": _is_text,
    "auxiliaries": _all(_is_text),
    "modalities": _all(_is_table, dict),
    "class_counts": _all(_is_count),
}
_LATER: Mapping[str, Check] = {  # what schemas of before have not
    "derived": _all(_is_text, dict),
    "limits": _all(_is_count, dict),
    "surroundings": _all(_is_text, dict),
    "reading": _is_table,
    "further": _all(_is_table, dict),
    "united": _all(_is_fold, dict),
}
_ENCODER: Mapping[str, Check] = {
    "source": _is_text,
    "sha256": _is_text,
    "architecture": _is_table,
    "stored": lambda value: isinstance(value, bool),
}
_LORA: Mapping[str, Check] = {"rank": _is_count, "alpha": _is_number, "modules": _all(_is_text)}
_TASK: Mapping[str, Check] = {
    "encoders": _all(_is_table, dict),
    "thresholds": _all(_is_number, dict),
    "fold": _is_fold,
    BEGUN_ON: _all(_is_division),
}


def check_task_state(state: Any) -> None:
    """Raises `InputError` unless modalities, labels and encoders are told in the known types.

    Args:
        state: what `MultimodalAffectTask.state_dict` gave.
    """
    if not _is_table(state) or "schema" not in state:
        raise InputError("the checkpoint holds no schema; it was not trained with this task")
    if not _is_table(state["schema"]):
        raise InputError(
            f"the checkpoint's schema is {quoted(state['schema'])}, expected a table; {MEND}"
        )
    _check(state["schema"], _SCHEMA, "schema", needed=True)
    _check(state["schema"], _LATER, "schema")
    _check(state, _TASK, "task_state")
    for name, told in state.get("encoders", {}).items():
        _check(told, _ENCODER, f"encoder of {quoted(name)}", needed=True)
        _check(told, {TRAINED_ON: _all(_is_division)}, f"encoder of {quoted(name)}")
        if "lora" in told:
            lora = told["lora"] if _is_table(told["lora"]) else {}
            _check(lora, _LORA, f"LoRA of {quoted(name)}", needed=True)


def read_schema(state: Mapping[str, Any]) -> Schema:
    """The modalities and labels of a checkpoint, or of an exported model.

    Raises:
        InputError: it is not of this task, tells of them in other types, or not of all.
    """
    check_task_state(state)
    schema = Schema.from_state(state["schema"])
    needed = (*schema.used, *schema.stored, *schema.surroundings)
    lacking = [name for name in needed if name not in schema.modalities]
    twice = [name for name in schema.used if schema.used.count(name) > 1]
    counts = len(schema.class_counts)
    if lacking or twice or counts not in (0, schema.label.outputs):
        wrong = f"modality {quoted(lacking[0])} is told nowhere" if lacking else ""
        wrong = wrong or (f"modality {quoted(twice[0])} is told twice" if twice else "")
        raise InputError(
            f"the checkpoint's schema is damaged: "
            f"{wrong or f'it counts the rows of {counts} classes'}; {MEND}"
        )
    return schema


def _check(
    held: Mapping[str, Any], checks: Mapping[str, Check], where: str, *, needed: bool = False
) -> None:
    for name, check in checks.items():
        if name not in held and not needed:
            continue
        if name not in held or not check(held[name]):
            found = quoted(held[name]) if name in held else "not there"
            raise InputError(f"the checkpoint's {where} is damaged: its {name} is {found}; {MEND}")
