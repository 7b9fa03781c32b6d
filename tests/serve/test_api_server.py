"""The program of docs/api_server.md: a server of one's own answers, and refuses what is no clip."""

import re
import runpy
from pathlib import Path

import pytest
from harness import ROOT

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
