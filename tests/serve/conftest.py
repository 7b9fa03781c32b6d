"""A browser, and a small corpus of talking clips."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.demo_corpus.__main__ import make_corpus

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a generated corpus: clips and labels.csv."""
    folder = tmp_path_factory.mktemp("talking")
    make_corpus(folder, clips=9, seed=1, size=96)
    return folder


@pytest.fixture(scope="session")
def clip(talking: Path) -> Path:
    """One of its clips."""
    return min((talking / "clips").glob("*.mp4"))


@pytest.fixture(scope="session")
def open_browser() -> Iterator[Callable[..., Any]]:
    """Opens a chromium with more flags; the test is skipped where there is none."""
    pytest.importorskip("gradio", reason="gradio is not installed; pip install '.[page]' brings it")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        pytest.skip("no chromium is installed")
    with playwright.sync_playwright() as driver, contextlib.ExitStack() as opened:

        def launch(*flags: str) -> Any:
            browser = driver.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", *flags]
            )
            opened.callback(browser.close)
            return browser

        yield launch
