"""The faces that a model reads, to be looked at: by its own extractor with its own options."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from harness import WholePicture

from examples.demo_corpus.talking_head import write_mp4
from mia_fairseq.errors import InputError
from mia_fairseq.predict.clip_inputs import ClipInputs
from preprocess.extractors.base import Clip


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "preprocess.extractors.face_sequence.build_detector", lambda name: WholePicture()
    )


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """Of ten pictures in a second."""
    path = tmp_path / "clip.mp4"
    pictures = [np.full((32, 48, 3), 20 * place, np.uint8) for place in range(10)]
    write_mp4(path, pictures, np.zeros(16_000, np.float32), 10)
    return Clip("clip", path)


def inputs(**extractors: tuple[str, dict[str, str]]) -> ClipInputs:
    modalities = {
        name: SimpleNamespace(extractor=extractor, extra={"options": options})
        for name, (extractor, options) in extractors.items()
    }
    schema: Any = SimpleNamespace(
        stored=modalities, inputs=tuple(modalities), contexts={}, modalities=modalities
    )
    return ClipInputs(schema, Path("model"))


def test_faces_come_from_the_models_own_extractor(clip: Clip, tmp_path: Path) -> None:
    model = inputs(text=("minilm_tokens", {}), face=("face_crops", {"keyframes": "3", "side": "8"}))
    found = model.faces(clip)
    assert found is not None
    assert (found.indices.tolist(), found.crops.shape) == ([1, 5, 8], (3, 8, 8, 3))
    soundfile.write(tmp_path / "sound.wav", np.zeros(16_000), 16_000)
    with pytest.raises(InputError, match="has no picture track"):
        model.faces(Clip("sound", tmp_path / "sound.wav"))


def test_a_model_that_sees_no_faces_has_none(clip: Clip) -> None:
    assert inputs(text=("minilm_tokens", {})).faces(clip) is None
