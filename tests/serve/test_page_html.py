"""What the page shows: escaped, in order, times to click, pictures within; and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from mia_fairseq.predict.writing.answers import Prediction
from mia_fairseq.predict.writing.clip_answers import ClipAnswers
from mia_fairseq.serve.answer_html import html_of_answer, html_of_error
from mia_fairseq.serve.clip_visits import ClipVisits, Told
from mia_fairseq.serve.page_handlers import PageHandlers
from mia_fairseq.serve.told_html import html_of_faces, html_of_told
from mia_fairseq.serve.uploads import Uploads
from preprocess.faces.boxed_keyframes import BoxedKeyframe


def test_answers_are_escaped_and_in_order() -> None:
    shares = {"sad": 0.2, "<b>": 0.7, "joy": 0.1}
    gave = {
        "modalities": {"text": -0.5, "audio": 0.25},
        "words": [{"word": "<u>", "change": 0.4}, {"word": "so", "change": -0.1}],
    }
    told = ClipAnswers(
        {
            "sentiment": Prediction("c", -1.5, contributions=gave),
            "emotion": Prediction("c", "<b>", shares, missing={"video": "no <face>"}),
        }
    )
    page = html_of_answer(told)
    assert "-1.50" in page and "left:25.0%" in page  # a quarter of the way from -3 to 3
    assert 'class="less" style="width:100.0%"' in page and "width:50.0%" in page
    assert page.index("70%") < page.index("20%") < page.index("10%")
    assert page.index("&lt;u&gt;") < page.index("+0.40") < page.index("-0.10")
    assert "<b>" not in page.replace("<b style", "") and "no &lt;face&gt;" in page
    assert "&lt;i&gt;" in html_of_error("<i>")
    assert "nothing in it" in html_of_answer(Prediction("c", reason="nothing in it"))


def test_a_scale_has_its_own_ends() -> None:
    page = html_of_answer(Prediction("c", 4.0, scale=(1.0, 7.0)))
    assert "left:50.0%" in page and "4.00 from 1 to 7" in page and "+4.00" not in page
    assert "<span>1</span><span>4</span><span>7</span>" in page and "negative" not in page
    page = html_of_answer(Prediction("c", 0.5, scale=(-1.0, 1.0)))
    assert "left:75.0%" in page and "<span>-1 negative</span>" in page and "+0.50" in page
    course = [Prediction("c", 7.0, start=0.0, end=5.0, scale=(1.0, 7.0))]
    page = html_of_told([Told(Path("/x/1/a.mp4"), Prediction("c", 4.0, scale=(1.0, 7.0)), course)])
    assert "rgb(33 102 172)" in page and "<span>7.00</span>" in page  # the highest there is
    assert "scale" not in Prediction("c", 4.0, scale=(1.0, 7.0)).to_json()


def test_the_course_has_a_player_and_times_to_click() -> None:
    course = [
        Prediction("c", 3.0, text="<good>", start=0.0, end=5.0),
        Prediction("c", -3.0, text="bad", start=65.0, end=80.0),
        Prediction("c", reason="silent", start=80.0, end=100.0),
    ]
    page = html_of_told([Told(Path("/x/1/my clip.mp4"), Prediction("c", 0.0), course)])
    assert 'src="gradio_api/file=/x/1/my%20clip.mp4"' in page and "<video" in page
    assert page.count('<button data-mia-start="65.00" data-mia-end="80.00"') == 2
    assert "left:65.00%;width:15.00%;background:rgb(178 24 43)" in page
    assert "rgb(33 102 172)" in page and "rgb(170 170 170)" in page  # the first, and the last
    assert ">1:05</button><span>-3.00</span><span>bad</span>" in page and "no answer" in page
    assert "<good>" not in page and "&lt;good&gt;" in page


def test_a_dialogue_shows_each_clip_with_its_player() -> None:
    told = [
        Told(Path(f"/x/1/{name}"), Prediction(name, 1.0, text=f"words of {name}"))
        for name in ("b.wav", 'a".mp4')
    ]
    page = html_of_told(told)
    assert re.findall(r"<h3>(.*?)</h3><(\w+) ", page) == [
        ("1. b.wav", "audio"),
        ("2. a&quot;.mp4", "video"),
    ]
    assert page.count("+1.00") == 2 and "words of b.wav" in page


def test_faces_are_pictures_within_the_page() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    page = html_of_faces([BoxedKeyframe(1.25, picture)])
    assert 'src="data:image/jpeg;base64,' in page and "1.2 s</figcaption>" in page
    assert "no keyframe shows one" in html_of_faces([])


def test_refusals_are_sentences_for_people_and_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = PageHandlers(ClipVisits({}, Uploads(tmp_path)))
    words, page, data = handlers.answer("me", [None, None, None], None)
    assert (words, data) == ("", [{"reason": "there is no clip yet; drop one or record one"}])
    assert 'role="alert"' in page
    for sent in (["a", "b", None], [None, "a", ["b"]]):
        assert "leave one of video, sound, dialogue" in handlers.answer("me", sent, "x").html
        assert "leave one of video, sound, dialogue" in handlers.faces("me", sent)
    handlers.hold("me", ["/etc/passwd", str(tmp_path)])
    handlers.leave("me")
    assert Path("/etc/passwd").is_file() and tmp_path.is_dir()

    def answer(*_: object) -> list[Told]:
        raise InputError("no <b>")

    monkeypatch.setattr(handlers.visits, "answer", answer)
    assert handlers.answer("me", ["a"], "mine").words == "mine"
    assert "no &lt;b&gt;" in handlers.answer("me", ["a"], "mine").html
