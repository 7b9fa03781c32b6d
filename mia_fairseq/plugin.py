"""Registration with fairseq: the task, the architectures, the criteria and the optimizer.

fairseq imports a folder given as ``--user-dir`` and the modules in its ``tasks/`` and ``models/``
(``fairseq.utils.import_user_module``). Each of our folders whose modules register something calls
`register` when it is imported, so whichever comes first brings all the others.
"""

import sys
from argparse import ArgumentParser
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any

from mia_fairseq.fairseq_import import import_fairseq

PLUGIN_GROUP = "mia_fairseq.plugins"

_FOLDERS = ("optim", "tasks", "models", "conversations", "criterions")
_WITHOUT_FAIRSEQ = ("models", "conversations")  # all that an exported model is built of
_state = {"registered": False}


def in_fairseq_command() -> bool:
    """Whether this process runs one of fairseq's commands; fairseq itself imports none of them."""
    return "fairseq_cli" in sys.modules


def has_plugins() -> bool:
    """Whether other installed packages offer fusions or the like, which register with fairseq."""
    return bool(entry_points(group=PLUGIN_GROUP))


def register() -> None:
    """Makes all of this package known to fairseq; a second call changes nothing.

    fairseq's faults are patched, the folders' modules imported, and then what other installed
    packages offer under the entry point group ``mia_fairseq.plugins``. Where fairseq is not
    installed, only what an exported model is built of is imported.
    """
    if _state["registered"]:  # or on the way: the folders call us while we import them
        return
    _state["registered"] = True
    try:
        known = _patch_fairseq()
        for folder in _FOLDERS if known else _WITHOUT_FAIRSEQ:
            if find_spec(f"mia_fairseq.{folder}") is not None:
                _import_all(f"mia_fairseq.{folder}")
        if known:
            import_module("mia_fairseq.models.ensemble").install()
        for plugin in entry_points(group=PLUGIN_GROUP) if known else ():
            plugin.load()
    except BaseException:
        _state["registered"] = False
        raise


def flag_group(parser: Any, name: str) -> Any:
    """A group of its own in ``--help`` for one component's flags.

    Args:
        parser: what fairseq hands to ``add_args``: its parser, or a group of it.
        name: of the component.

    Returns:
        A new group of the parser, or the given group under this name.
    """
    title = f"mia_fairseq: {name}"
    if isinstance(parser, ArgumentParser):
        return parser.add_argument_group(title)
    parser.title = title
    return parser


def _import_all(package_name: str) -> None:
    """Imports each module of a package, those of the folders in it too."""
    package = import_module(package_name)
    for module in iter_modules(package.__path__, f"{package_name}."):
        if module.ispkg:
            _import_all(module.name)
        else:
            import_module(module.name)


def _patch_fairseq() -> bool:
    """Whether fairseq is here; if so, it is patched."""
    if not import_fairseq():
        return False

    from fairseq.registry import REGISTRIES

    from mia_fairseq import fairseq_patches
    from mia_fairseq.command import quiet_libraries
    from mia_fairseq.errors import show_input_errors_as_sentences

    if in_fairseq_command():
        show_input_errors_as_sentences()
        quiet_libraries()
    fairseq_patches.apply()
    optimizer = REGISTRIES["optimizer"]  # Adam is the paper's (Sec. 4.3); fairseq has no default
    optimizer["default"] = optimizer["default"] or "adam"
    return True
