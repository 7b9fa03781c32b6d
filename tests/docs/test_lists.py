"""Lists that say "all" hold all: pages, recipes, extractors, settings; named headings are there."""

import dataclasses
import re
from pathlib import Path

import pytest
from harness import ROOT

from preprocess.extractors.base import discover

PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem != "index")
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in PAGES}
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMED = re.compile(r'(?:README|docs/(\w+)\.md), "([^"\n]+)"')
ARCHITECTURES = ("mia_net", "concat")  # those without settings of one fusion alone


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_first_page_leads_to_every_page(page: Path) -> None:
    assert f"({page.name})" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


def test_every_recipe_is_listed() -> None:
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for recipe in (ROOT / "examples" / "recipes").rglob("*.yaml"):
        assert f"`{recipe.stem}`" in listed, recipe


def test_every_extractor_is_listed() -> None:
    for name, kind in discover().items():
        if kind.__module__.startswith("preprocess."):
            assert f"`{name}`" in TEXTS["clips"], name


def test_every_setting_stands_on_a_page() -> None:
    from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
    from fairseq.models import MODEL_DATACLASS_REGISTRY
    from fairseq.tasks import TASK_DATACLASS_REGISTRY

    from mia_fairseq.plugin import register

    register()
    ours = [
        TASK_DATACLASS_REGISTRY["multimodal_affect"],
        *(MODEL_DATACLASS_REGISTRY[name] for name in ARCHITECTURES),
        *(kind for kind in CRITERION_DATACLASS_REGISTRY.values() if "mia_" in kind.__module__),
    ]
    told = set(re.findall(r"--[a-z0-9-]+", README + "".join(TEXTS.values())))
    for field in {field.name for kind in ours for field in dataclasses.fields(kind)} - {"_name"}:
        assert f"--{field.replace('_', '-')}" in told or field == "data", field


def test_a_heading_that_is_named_is_there() -> None:
    """``README, "Limits"`` and ``docs/clips.md, "Other languages"``, in code as in pages."""
    folders = ("mia_fairseq", "preprocess", "examples", "docs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    found = [
        named
        for path in (*ROOT.glob("*.*"), *files)
        if path.suffix in (".md", ".py", ".yaml")
        for named in NAMED.findall(path.read_text(encoding="utf-8"))
    ]
    for page, heading in found:
        text = TEXTS[page] if page else README
        assert re.search(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE), (page, heading)
    assert len(found) >= 2
