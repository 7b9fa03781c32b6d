"""What is longer than an encoder reads is told by the clip's name, with what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.predict.clip_inputs import ClipInputs
from mia_fairseq.predict.cut_clips import WINDOWS
from mia_fairseq.predict.predictor import load_model
from preprocess.media.clip import Clip

SPECS = {
    "minilm": ModalitySpec(384, extractor="minilm"),
    "minilm_tokens": ModalitySpec(30522, kind="tokens", extractor="minilm_tokens"),
}


@pytest.mark.parametrize("extractor", SPECS)
def test_a_long_text_is_told_with_the_clips_name(
    extractor: str,
    stored_model: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stored_model("minilm")
    schema = Schema("test", LabelSpec("regression"), "text", (), {"text": SPECS[extractor]})
    if extractor.endswith("tokens"):
        schema = schema.with_limits({"text": 512})
    inputs = ClipInputs(schema, Path("model"))
    monkeypatch.setattr(inputs, "_check_same", lambda *_: None)
    clips = [Clip("brief", text="so good"), Clip("an hour.mp4", text="so good " * 300)]
    arrays, missing = inputs.read(clips)
    assert len(arrays["text"][1]) == 512 and missing == [{}, {}]
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "an hour.mp4" in told and "602" in told and told.endswith(WINDOWS)
    assert "brief" not in told
    other = ClipInputs(schema, Path("another model"))
    monkeypatch.setattr(other, "_check_same", lambda *_: None)
    other.share_extractors(inputs)
    other.read(clips)
    assert len(caplog.records) == 1  # models that answer together tell it once


def test_a_ready_model_tells_it(
    stored_model: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    stored_model("minilm")
    (answer,) = load_model("sentiment-small").predict_clips(
        [Clip("an hour.mp4", text="so good " * 300)]
    )
    assert answer.status == "ok"
    assert "encoder: an hour.mp4 (has 602); give --windows" in caplog.text
