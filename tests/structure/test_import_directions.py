"""Imports flow one way: read from the whole tree, those for type checkers and late ones too."""

import ast
import subprocess
import sys
from collections.abc import Iterator

from harness import ROOT

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("mia_fairseq", "preprocess")
    for path in sorted((ROOT / top).rglob("*.py"))
}
LIGHT = (
    *("mia_fairseq.errors", "mia_fairseq.files", "mia_fairseq.metrics", "mia_fairseq.meter"),
    *(
        "mia_fairseq.data.format.store",
        "mia_fairseq.modules.mia",
        "mia_fairseq.predict.writing.answers",
    ),
    "preprocess.tables.manifest",
)
MAY_USE_PREPROCESS = ("mia_fairseq.predict", "mia_fairseq.serve")


def folder_of(module: str) -> str:
    """The module's folder; a file at the top of mia_fairseq counts as one of its own."""
    if MODULES[module].name == "__init__.py" or module.count(".") == 1:
        return module
    return module.rpartition(".")[0]


def imports_of(module: str) -> Iterator[str]:
    """The project's modules that a module imports anywhere in its file."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by dots"
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                if inner in MODULES:
                    yield inner
                elif node.module in MODULES:
                    yield str(node.module)


IMPORTS = [(module, other) for module in MODULES for other in imports_of(module)]


def test_no_folders_import_each_other_in_a_circle() -> None:
    after: dict[str, set[str]] = {}
    for module, other in IMPORTS:
        if folder_of(module) != folder_of(other):
            after.setdefault(folder_of(module), set()).add(folder_of(other))
    assert len(after) > 20
    while after:  # takes away what imports nothing that is left, until a circle is all there is
        ends = {name for name, others in after.items() if not others & after.keys()}
        assert ends, f"among these folders is a circle: {sorted(after)}"
        after = {name: others for name, others in after.items() if name not in ends}


def test_of_mia_fairseq_only_prediction_uses_preprocess() -> None:
    wrong = [
        (module, other)
        for module, other in IMPORTS
        if module.startswith("mia_fairseq") and other.startswith("preprocess")
        if not module.startswith(MAY_USE_PREPROCESS)
    ]
    assert not wrong


def test_modules_that_need_no_fairseq_import_without_it() -> None:
    code = f"import sys; sys.modules['fairseq'] = None; import {', '.join(LIGHT)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
