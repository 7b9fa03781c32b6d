"""The programs of docs/api_server.md: a server of one's own, and one that asks the page."""

import re
import runpy
import shutil
from pathlib import Path

import pytest
from harness import ROOT
from served_page import page_of

pytest.importorskip("fastapi", reason="fastapi is not installed; pip install '.[page]' brings it")
testclient = pytest.importorskip("fastapi.testclient", reason="fastapi's client lacks httpx")
PAGE = (ROOT / "docs" / "api_server.md").read_text(encoding="utf-8")


def test_the_server_answers_a_clip_and_refuses_what_is_none(clip: Path, tmp_path: Path) -> None:
    (program,) = re.findall(r"`api\.py`:\n\n```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "api.py").write_text(program)
    with testclient.TestClient(runpy.run_path(str(tmp_path / "api.py"))["app"]) as client:
        answered = client.post("/answer", files={"clip": ("a.mp4", clip.read_bytes())})
        told = answered.json()
        assert answered.status_code == 200 and told["id"] == "a.mp4"
        assert told["status"] == "ok" and -4 < told["prediction"] < 4
        for name, content in (("a.mp4", b"no clip"), ("a.mp4", b""), ("a.txt", b"words")):
            refused = client.post("/answer", files={"clip": (name, content)})
            assert refused.status_code == 422 and "tmp" not in refused.text, name


def test_a_program_asks_the_page(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gradio_client", reason="it comes with pip install '.[page]'")
    (program,) = re.findall(r"```python\n(from gradio_client.*?)```", PAGE, flags=re.DOTALL)
    shutil.copy(clip, tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    with page_of(tmp_path, "--model", "sentiment-small") as address:
        (tmp_path / "ask.py").write_text(program.replace("http://127.0.0.1:7860", address))
        words, _, answers = runpy.run_path(str(tmp_path / "ask.py"))["told"]
    assert words and [one["status"] for one in answers] == ["ok"]
