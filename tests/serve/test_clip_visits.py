"""Clips on the page: answers, limits, sentences without paths, files gone with the visit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mia_fairseq.errors import InputError
from mia_fairseq.predict.writing.answers import Prediction
from mia_fairseq.predict.writing.clip_answers import ClipAnswers
from mia_fairseq.serve import clip_visits
from mia_fairseq.serve.answer_html import html_of_answer, html_of_error
from mia_fairseq.serve.clip_visits import ClipVisits


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    """A clip of two seconds, where the page puts it: a folder of its own."""
    path = tmp_path / "uploads" / "abc" / "clip.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.zeros(32_000, np.float32), 16_000)
    return path


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipVisits:
    def answer_all(models: Any, clips: Sequence[Any], **_: Any) -> list[Prediction]:
        return [Prediction(clip.id, 1.5, text=clip.text or "heard") for clip in clips]

    monkeypatch.setattr(clip_visits, "answer_all", answer_all)
    return ClipVisits({}, tmp_path / "uploads")


def test_words_are_heard_or_as_written(visits: ClipVisits, upload: Path) -> None:
    assert visits.answer("me", str(upload), None).text == "heard"
    assert visits.answer("me", str(upload), "mine").text == "mine"


def test_files_end_with_their_visit(visits: ClipVisits, upload: Path) -> None:
    visits.answer("me", str(upload), None)
    visits.leave("somebody else")
    assert upload.is_file()
    visits.leave("me")
    visits.leave("me")
    assert not upload.parent.exists() and visits.folder.is_dir()


def test_what_is_beyond_the_limits_is_told(visits: ClipVisits, upload: Path) -> None:
    visits.most_seconds = 0.5
    with pytest.raises(InputError, match=r"clip\.wav: lasts .* s, this page takes 0\.5"):
        visits.answer("me", str(upload), None)
    visits.most_megabytes = 0.001
    with pytest.raises(InputError, match=r"clip\.wav: has .* MB, this page takes"):
        visits.answer("me", str(upload), None)


def test_a_broken_clip_gets_the_sentence_of_predict_without_its_place(
    visits: ClipVisits, upload: Path
) -> None:
    upload.write_bytes(b"no clip at all")
    with pytest.raises(InputError) as told:
        visits.answer("me", str(upload), None)
    assert str(told.value).startswith("clip.wav: ") and str(upload.parent) not in str(told.value)
    upload.unlink()
    with pytest.raises(InputError, match="no longer here"):
        visits.answer("me", str(upload), None)


@pytest.mark.parametrize("named", ["../secret.mp4", "uploads/../secret.mp4"])
def test_files_that_were_not_uploaded_are_not_read(
    visits: ClipVisits, tmp_path: Path, named: str
) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")
    for path in (tmp_path / named, tmp_path / "secret.mp4"):
        with pytest.raises(InputError, match="was not uploaded here"):
            visits.answer("me", str(path), None)
    with pytest.raises(InputError, match="no clip yet"):
        visits.answer("me", None, None)


def test_answers_are_escaped_and_in_order() -> None:
    shares = {"sad": 0.2, "<b>": 0.7, "joy": 0.1}
    told = ClipAnswers(
        {
            "sentiment": Prediction(
                "c", -1.5, contributions={"modalities": {"text": -0.5, "audio": 0.25}}
            ),
            "emotion": Prediction("c", "<b>", shares, missing={"video": "no <face>"}),
        }
    )
    page = html_of_answer(told)
    assert "-1.50" in page and "left:25.0%" in page  # a quarter of the way from -3 to 3
    assert 'class="less" style="width:100.0%"' in page and "width:50.0%" in page
    assert page.index("70%") < page.index("20%") < page.index("10%")
    assert "<b>" not in page.replace("<b style", "") and "no &lt;face&gt;" in page
    assert "&lt;i&gt;" in html_of_error("<i>")
    assert "nothing in it" in html_of_answer(Prediction("c", reason="nothing in it"))
