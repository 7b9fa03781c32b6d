"""The page in a real browser, wide and narrow.

A clip in, an answer, other words, a face, a broken clip, the course of a long one, a dialogue.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from served_page import PATIENCE, page_of

from preprocess.media.clip import RATE
from preprocess.media.streams import read_audio

WIDTHS = (1280, 390)
LONGEST = 20  # seconds of a clip that is not cut


@pytest.fixture(scope="module")
def browser(open_browser: Callable[..., Any]) -> Any:
    return open_browser()


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page with one ready model."""
    folder = tmp_path_factory.mktemp("page")
    with page_of(folder, "--model", "sentiment-small", "--max-seconds", "30") as found:
        yield found


def ask(page: Any, shows: str = ".mia-value, #answer .mia-error") -> None:
    page.get_by_role("button", name="Answer", exact=True).click()
    shown = page.wait_for_selector(f"#answer {shows}, #answer .mia-error")
    failed = "mia-error" not in shows and page.locator("#answer .mia-error").count()
    assert not failed, shown.inner_text()


def score(page: Any) -> float:
    return float(page.inner_text("#answer .mia-value"))


def give(page: Any, tab: str, files: Any) -> None:
    """Gives files to one of the page's places, and waits until they are there."""
    page.get_by_role("tab", name=tab).click()
    place = page.locator(f"#{tab.lower()}")
    place.locator("input[type=file]").first.set_input_files(files)
    shown = {"Video": "video", "Sound": "[data-testid=waveform-controls]", "Dialogue": "table"}
    place.locator(shown[tab]).first.wait_for()


def test_a_clip_is_answered_again_with_other_words_and_a_broken_one_told(
    browser: Any, address: str, clip: Path, tmp_path: Path, stored_model: Any
) -> None:
    stored_model("retinaface")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip.read_bytes()[:500])
    for width in WIDTHS:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(1000 * PATIENCE)
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(address)
        page.get_by_text("a score from -3 to 3, of text").wait_for()
        page.get_by_text("then press Answer").wait_for()
        give(page, "Video", clip)
        ask(page)
        heard = score(page)
        assert page.input_value("textarea").strip()
        page.fill("textarea", "It was wonderful and I loved every minute of it.")
        page.get_by_role("button", name="Answer with these words").click()
        page.wait_for_function(
            "before => document.querySelector('#answer .mia-value')?.innerText != before",
            arg=f"{heard:+.2f}",
            timeout=1000 * PATIENCE,
        )
        assert score(page) > 0.5
        page.get_by_role("button", name="Show the face").click()
        page.wait_for_selector("#faces img")
        assert page.locator("#faces img").count() == 8
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert all(re.match(rf"{address}|data:|blob:", url) for url in asked), asked
        page.reload(timeout=1000 * PATIENCE)
        give(page, "Video", broken)
        ask(page)
        told = page.inner_text("#answer")
        assert told.startswith("broken.mp4: ") and "/" not in told
        page.close()


def test_a_long_clip_is_followed_and_several_are_a_dialogue(
    browser: Any, address: str, clip: Path, tmp_path: Path
) -> None:
    spoken = read_audio(clip)
    sound = np.concatenate([spoken, np.zeros(LONGEST * RATE, np.float32), spoken])
    soundfile.write(tmp_path / "long.wav", sound, RATE)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(address)
    give(page, "Sound", tmp_path / "long.wav")
    ask(page, ".mia-course")
    rows = page.locator(".mia-rows li")
    assert rows.count() == 2
    page.get_by_role("button", name=rows.nth(1).locator("button").inner_text()).last.click()
    page.wait_for_selector(".mia-rows li.now")
    assert rows.nth(1).get_attribute("class") == "now" and not rows.nth(0).get_attribute("class")
    give(page, "Dialogue", [clip, tmp_path / "long.wav"])
    ask(page, ".mia-clip")
    names = [name.strip() for name in page.locator(".mia-clip h3").all_inner_texts()]
    assert names == [f"1. {clip.name}", "2. long.wav"]
    assert len(page.input_value("textarea").split("\n")) == 2
    page.close()
