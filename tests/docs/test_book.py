"""The book in docs/ is built without a warning, its links lead somewhere, and it reads offline."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from harness import ROOT

pytest.importorskip("mkdocs", reason="mkdocs is not installed; make docs brings it")

RELATIONS = ("canonical", "prev", "next")  # of links that load nothing


class Resources(HTMLParser):
    """What a page links to, what it loads, and where its anchors are."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("script", "img", "link", "iframe") and given.get("rel") not in RELATIONS:
            self.loaded += [given[name] for name in ("src", "href") if name in given]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Resources]:
    """Each page of the book as built, read."""
    site = tmp_path_factory.mktemp("book")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(site),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    found = {}
    for path in site.rglob("*.html"):
        if path.name != "404.html":
            found[path] = Resources()
            found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_every_link_and_anchor_is_there(pages: dict[Path, Resources]) -> None:
    checked = 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path.parent.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].anchors, (
                    f"{path.parent.name}: {link}"
                )
            checked += 1
    assert checked > 500


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Resources]) -> None:
    for path, page in pages.items():
        assert page.loaded
        for source in page.loaded:
            assert not urlsplit(source).netloc, f"{path}: {source}"


def test_every_equation_of_the_paper_stands_beside_its_code(pages: dict[Path, Resources]) -> None:
    (path,) = (path for path in pages if path.parent.name == "equations")
    text = path.read_text(encoding="utf-8")
    for name in (
        "modules.interactive_attention.written_out_attention",
        "modules.mia.MIAModule.forward",
        "modules.kernel_regularization.kernel_regularization",
        "models.mia_net.MIAFusion.forward",
        "modules.dual_residual.DualResidual.forward",
        "criterions.mae_krl.MaeKrlCriterion",
        "criterions.ce_krl.CeKrlCriterion",
    ):
        assert f"mia_fairseq.{name}" in pages[path].anchors, name
    for equation in range(1, 19):
        assert str(equation) in text


def test_every_page_stands_in_the_contents() -> None:
    contents = yaml.safe_dump(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in contents, page
