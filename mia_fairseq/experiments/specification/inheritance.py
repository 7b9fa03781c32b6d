"""An experiment's file with what it inherits, and with its values filled in.

inherits  base (the default), another experiment's name, a file beside this one, or nothing
flags, by_label, groups, values, inputs, data
          are joined with the inherited ones key by key, and what the file itself says wins;
          null takes away what was inherited
all else  that the file says replaces the inherited
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.specification.yaml_files import read_yaml

FOLDER = Path(__file__).parents[1] / "paper"
BEYOND = Path(__file__).parents[1] / "beyond_paper"  # what the paper does not ask
NOTHING = "nothing"
JOINED = ("flags", "by_label", "groups", "values", "inputs", "data")
FACTS = ("paper_data", "paper_features")  # of base.yaml, for the report alone


def base() -> dict[str, Any]:
    """base.yaml."""
    return read_yaml(FOLDER / "base.yaml")


def located(name: str, beside: Path | None = None) -> Path:
    """The file of an experiment.

    Args:
        name: of an experiment here, or the path of a file of one's own.
        beside: the file that names it; its paths start from that one's folder.
    """
    if name.endswith(".yaml"):
        return beside.parent / name if beside else Path(name)
    beyond = BEYOND / f"{name}.yaml"
    return beyond if beyond.is_file() else FOLDER / f"{name}.yaml"


def merged(path: Path) -> dict[str, Any]:
    """A file joined with all that it inherits, and its ``values`` filled in.

    Raises:
        InputError: a file that is inherited is not there, or inherits from itself.
    """
    content = _joined(path, ())
    values = content.pop("values", None) or {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{path}: values is {str(values)[:60]!r}, expected names with values")
    for key in ("inherits", *FACTS):
        content.pop(key, None)
    filled: dict[str, Any] = fill(content, values)
    return filled


def ancestry(path: Path) -> list[str]:
    """The names of a file and of all that it inherits, itself first."""
    names = [path.name]
    while (parent := _parent(path, read_yaml(path))) is not None:
        path = parent
        names.append(path.name)
    return names


def fill(content: Any, values: Mapping[str, Any]) -> Any:
    """``{name}`` replaced by its value in every text; other braces stay.

    A text that is nothing else takes the value as it is.
    """
    if isinstance(content, dict):
        return {fill(key, values): fill(value, values) for key, value in content.items()}
    if isinstance(content, list):
        return [fill(value, values) for value in content]
    if isinstance(content, str):
        for name, value in values.items():
            if content == f"{{{name}}}":
                return value
            content = content.replace(f"{{{name}}}", str(value))
    return content


def _joined(path: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in heirs:
        raise InputError(f"{path}: inherits from itself; name another file after inherits")
    content = read_yaml(path)
    parent = _parent(path, content)
    if parent is None:
        return content
    if not parent.is_file():
        raise InputError(
            f"{path}: inherits {content.get('inherits')!r}, which is not there; name base, an "
            f"experiment, a .yaml beside this file, or {NOTHING}"
        )
    inherited = _joined(parent, (*heirs, path.resolve()))
    joined = {key: _join(inherited.get(key), content.get(key)) for key in JOINED}
    return {**inherited, **content, **{key: found for key, found in joined.items() if found}}


def _parent(path: Path, content: Mapping[str, Any]) -> Path | None:
    if path.resolve() == (FOLDER / "base.yaml").resolve():
        return None
    name = str(content.get("inherits", "base"))
    return None if name == NOTHING else located(name, path)


def _join(inherited: Any, own: Any) -> Any:
    """Two levels of mappings joined; lists and single values are replaced."""
    if not isinstance(inherited, dict) or not isinstance(own, dict):
        return inherited if own is None else own
    joined = {**inherited}
    for key, value in own.items():
        joined[key] = _join(joined.get(key), value) if isinstance(value, dict) else value
    return joined
