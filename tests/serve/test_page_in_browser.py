"""The page in a real browser: a clip in, an answer, other words, a broken clip, wide and narrow."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT

from examples.demo_corpus.__main__ import make_corpus

pytest.importorskip("gradio", reason="gradio is not installed; pip install '.[page]' brings it")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
WIDTHS = (1280, 390)
PATIENCE = 200_000  # milliseconds, for a machine that is busy


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page with one ready model."""
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("page")
    command = [sys.executable, "-m", "mia_fairseq.serve", "--port", str(port)]
    command += ["--model", "sentiment", "--max-seconds", "30"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(PATIENCE // 1000):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=60)
    assert not list(folder.glob("mia_fairseq-page-*")), "clips outlive the command"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    make_corpus(folder, clips=9, seed=1, size=96)
    return next((folder / "clips").glob("*.mp4"))


def score(page: Any) -> float:
    page.wait_for_selector("#answer .mia-value", timeout=PATIENCE)
    return float(page.inner_text("#answer .mia-value"))


def test_a_clip_is_answered_again_with_other_words_and_a_broken_one_told(
    address: str, clip: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip.read_bytes()[:500])
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width in WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 900})
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(address, timeout=PATIENCE)
            page.set_input_files("input[type=file]", clip, timeout=PATIENCE)
            page.wait_for_selector("video", timeout=PATIENCE)
            page.get_by_role("button", name="Answer", exact=True).click()
            heard = score(page)
            assert page.input_value("textarea").strip()
            page.fill("textarea", "It was wonderful and I loved every minute of it.")
            page.get_by_role("button", name="Answer with these words").click()
            page.wait_for_function(
                "before => document.querySelector('#answer .mia-value')?.innerText != before",
                arg=f"{heard:+.2f}",
                timeout=PATIENCE,
            )
            assert score(page) > 0.5
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert all(re.match(rf"{address}|data:|blob:", url) for url in asked), asked
            page.reload(timeout=PATIENCE)
            page.set_input_files("input[type=file]", broken, timeout=PATIENCE)
            page.wait_for_selector("video", timeout=PATIENCE)
            page.get_by_role("button", name="Answer", exact=True).click()
            page.wait_for_selector("#answer .mia-error", timeout=PATIENCE)
            told = page.inner_text("#answer")
            assert told.startswith("broken.mp4: ") and "/" not in told
            page.close()
        browser.close()
