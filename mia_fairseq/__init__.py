"""MIA-Net, the Multi-modal Interactive Attention Network, as a fairseq plugin.

Importing this package, as ``--user-dir mia_fairseq`` does, registers the task
``multimodal_affect``, the architectures, the criteria and an optimizer; then it loads what other
installed packages offer under the entry point group ``mia_fairseq.plugins``.
"""

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import walk_packages

from fairseq.registry import REGISTRIES

from mia_fairseq.errors import show_input_errors_as_sentences
from mia_fairseq.fairseq_patches import all_patches as fairseq_mends

PLUGIN_GROUP = "mia_fairseq.plugins"


def _register_everything() -> None:
    """Imports each module of the folders whose modules register something."""
    for folder in ("optim", "tasks", "models", "criterions"):
        package = import_module(f"{__name__}.{folder}")
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    for plugin in entry_points(group=PLUGIN_GROUP):
        plugin.load()


def _prefer_the_papers_optimizer() -> None:
    """Makes Adam (Sec. 4.3) the default of ``--optimizer``; fairseq has none."""
    optimizer = REGISTRIES["optimizer"]
    optimizer["default"] = optimizer["default"] or "adam"


show_input_errors_as_sentences()
fairseq_mends.apply()
_prefer_the_papers_optimizer()
_register_everything()
