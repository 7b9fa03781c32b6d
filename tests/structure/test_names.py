"""Names tell rooms apart: no file and no class has the name of one in another folder."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from harness import ROOT

TOPS = ("mia_fairseq", "preprocess", "examples", "tests")
MOST_FILES = 16  # of one folder
# What Python, pytest and fairseq look for by name.
FILES_OF_MANY_FOLDERS = {"__init__.py", "__main__.py", "conftest.py"}


def sources(*tops: str) -> list[Path]:
    """The Python files below these folders of the repository."""
    return [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]


def classes(path: Path) -> Iterator[str]:
    """The names of a file's classes, those inside of functions and classes too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            yield node.name


def in_several(places: dict[str, set[Path]]) -> dict[str, list[str]]:
    """The names that stand in more than one place."""
    return {
        name: sorted(str(path.relative_to(ROOT)) for path in found)
        for name, found in places.items()
        if len(found) > 1
    }


def test_no_two_files_have_one_name() -> None:
    places = defaultdict(set)
    for path in sources(*TOPS):
        if path.name not in FILES_OF_MANY_FOLDERS:
            places[path.name].add(path)
    assert len(places) > 300
    assert not in_several(places)


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(set)
    for path in sources("mia_fairseq", "preprocess", "examples"):
        for name in classes(path):
            places[name].add(path)
    assert len(places) > 150
    assert not in_several(places)


def test_no_folder_of_the_packages_holds_too_many_files() -> None:
    folders = defaultdict(list)
    for top in TOPS:
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                folders[str(path.parent.relative_to(ROOT))].append(path.name)
    assert len(folders) > 50
    crowded = {name: len(files) for name, files in folders.items() if len(files) > MOST_FILES}
    assert not crowded
