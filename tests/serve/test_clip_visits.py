"""Clips on the page: answers, the course of long ones, dialogues, sentences without paths."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mia_fairseq.errors import InputError
from mia_fairseq.predict.writing.answers import Prediction
from mia_fairseq.serve import clip_visits
from mia_fairseq.serve.clip_visits import ClipVisits
from mia_fairseq.serve.uploads import Uploads
from preprocess.media.clip import Clip


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipVisits:
    """A page whose models say how long a clip's name is."""

    def answer_all(models: Any, clips: Sequence[Clip], **_: Any) -> list[Prediction]:
        return [
            Prediction(
                clip.id,
                float(len(clip.id)),
                text="heard" if clip.text is None else clip.text,
                missing={"video": f"{clip.path}: no face"},
                start=clip.start,
                end=clip.end,
            )
            for clip in clips
        ]

    monkeypatch.setattr(clip_visits, "answer_all", answer_all)
    return ClipVisits({}, Uploads(tmp_path / "uploads"))


def upload(visits: ClipVisits, name: str = "clip.wav", seconds: float = 2.0) -> str:
    """A silent clip, where Gradio puts it: in a folder of its own."""
    path = visits.uploads.folder / name.partition(".")[0] / name
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.zeros(int(16_000 * seconds), np.float32), 16_000)
    return str(path)


def test_words_are_heard_or_as_written(visits: ClipVisits) -> None:
    file = upload(visits)
    for words, used in ((None, "heard"), ("mine", "mine"), ("bad \ud800", "bad ?")):
        (told,) = visits.answer("me", [file], words)
        assert told.answer.text == used
        assert (told.course, told.faces) == ([], None)
    assert told.answer.lacks == "video: clip.wav: no face"  # and not where the file lies


def test_a_long_clip_is_answered_over_time(
    visits: ClipVisits, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = upload(visits, seconds=25)

    def cut(clips: Sequence[Clip]) -> list[Clip]:
        return [dataclasses.replace(clips[0], start=s, end=s + 4) for s in (0.0, 10.0)]

    monkeypatch.setattr(clip_visits, "cut_at_pauses", cut)
    (told,) = visits.answer("me", [file], None)
    assert [(one.start, one.end) for one in told.course] == [(0.0, 4.0), (10.0, 14.0)]
    assert told.answer.text == "heard heard" and told.answer.start is None
    assert len(told.to_json()["course"]) == 2
    (told,) = visits.answer("me", [file], "mine")
    assert not told.course and "course" not in told.to_json()


def test_several_clips_are_a_dialogue_in_their_order(
    visits: ClipVisits, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [upload(visits, "b.wav"), upload(visits, "a.wav")]
    seen: list[Clip] = []

    def answer_all(models: Any, clips: Sequence[Clip], **_: Any) -> list[Prediction]:
        seen.extend(clips)
        return [Prediction(clip.id, 0.0, text=clip.text) for clip in clips]

    monkeypatch.setattr(clip_visits, "answer_all", answer_all)
    told = visits.answer("me", files, "hello\n\n")
    assert [one.answer.text for one in told] == ["hello", ""]
    assert [(clip.id, clip.position) for clip in seen] == [("b.wav", 0), ("a.wav", 1)]
    assert len({clip.group for clip in seen}) == 1 and seen[0].group
    with pytest.raises(InputError, match="are 3 lines and there are 2 clips; write a line a clip"):
        visits.answer("me", files, "a\nb\nc")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seconds": 0.5}, r"clip\.wav: lasts 2 s, this page takes 0\.5; cut it"),
        ({"megabytes": 0.001}, r"clip\.wav: has 0 MB, this page takes 0\.001; cut it"),
        ({"letters": 3}, "the words have 5 letters, this page takes 3"),
        ({"clips": 0}, "1 clips are given, this page takes 0 at once"),
    ],
)
def test_what_is_beyond_the_limits_is_told(
    visits: ClipVisits, changes: dict[str, float], sentence: str
) -> None:
    visits.limits = dataclasses.replace(visits.limits, **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=sentence):
        visits.answer("me", [upload(visits)], "words")


def test_a_header_cannot_hide_how_long_the_sound_is(visits: ClipVisits) -> None:
    """A WAV whose header promises nothing, as one that was written to a pipe."""
    path = Path(upload(visits, seconds=9))
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    visits.limits = dataclasses.replace(visits.limits, seconds=8.0)
    with pytest.raises(InputError, match=r"lasts \d+ s, this page takes 8"):
        visits.answer("me", [str(path)], None)


def test_a_broken_clip_gets_the_sentence_of_predict_without_its_place(visits: ClipVisits) -> None:
    path = Path(upload(visits))
    path.write_bytes(b"no clip at all")
    for ask in (
        lambda: visits.answer("me", [str(path)], None),
        lambda: visits.faces("me", [str(path)]),
    ):
        with pytest.raises(InputError) as told:
            ask()
        sentence = str(told.value)
        assert sentence.startswith("clip.wav: cannot be read") and str(path.parent) not in sentence
    path.unlink()
    with pytest.raises(InputError, match="no longer here"):
        visits.answer("me", [str(path)], None)
    with pytest.raises(InputError, match="no clip yet"):
        visits.answer("me", [], None)
