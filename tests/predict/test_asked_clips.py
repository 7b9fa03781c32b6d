"""Clips of a table, cut at pauses; answers of several models, and the files they are written to."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import soundfile
from small_clips import grey_levels, tone, write_clip

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.predict import windows
from mia_fairseq.predict.asked_clips import clips_of
from mia_fairseq.predict.clip_inputs import ClipInputs
from mia_fairseq.predict.clips import listen
from mia_fairseq.predict.dialogue_clips import dialogues_of
from mia_fairseq.predict.faces_found import add_faces
from mia_fairseq.predict.writing.answer_files import check_name, write_answers
from mia_fairseq.predict.writing.answer_picture import draw
from mia_fairseq.predict.writing.answers import Prediction, render, table_of
from mia_fairseq.predict.writing.clip_answers import ClipAnswers
from preprocess.media.clip import Clip
from preprocess.media.clip_sound import read_clip
from preprocess.media.speech_words import Transcript


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Clips with names as people give them."""
    for name in ("Frau Müller 1.wav", "b.wav", "c.wav"):
        soundfile.write(tmp_path / name, np.zeros(1600), 16_000)
    return tmp_path


def test_a_table_as_a_spreadsheet_writes_it(folder: Path) -> None:
    lines = ["Path;Text;group;position;start;end", "Frau Müller 1.wav;Es geht;g;2;0,01;0,05"]
    (folder / "clips.csv").write_text("\n".join([*lines, "b.wav;;g;1;;"]), encoding="cp1252")
    first, second, third = clips_of([folder], None, folder / "clips.csv")
    path = folder / "Frau Müller 1.wav"
    assert first == Clip(str(path), path, "Es geht", 0.01, 0.05, "g", 2)
    assert second == Clip(str(folder / "b.wav"), folder / "b.wav", None, None, None, "g", 1)
    assert third == Clip(str(folder / "c.wav"), folder / "c.wav")
    assert dialogues_of([first, second, third]) == [[1, 0], [2]]


def test_an_id_means_a_named_clip(folder: Path) -> None:
    (folder / "clips.csv").write_text("id,text\nb,hello\n")
    first, *others = clips_of([folder], None, folder / "clips.csv")
    assert (first.id, first.path, first.text) == ("b", folder / "b.wav", "hello")
    assert len(others) == 2


def test_a_path_starts_at_the_tables_folder_whatever_is_named(folder: Path) -> None:
    other = folder / "x"
    other.mkdir()
    soundfile.write(other / "b.wav", np.zeros(1600), 16_000)
    (folder / "clips.csv").write_text("id,path,text\nrow1,b.wav,hello\nrow2,x/../c.wav,bye\n")
    asked = clips_of([other, folder / "c.wav"], None, folder / "clips.csv")
    assert [(clip.id, clip.text) for clip in asked[:2]] == [("row1", "hello"), ("row2", "bye")]
    assert [clip.path.resolve() for clip in asked if clip.path] == [
        *(folder / "b.wav", folder / "c.wav", other / "b.wav"),
    ]
    (folder / "clips.csv").write_text("path,text\na.wav,hello\n")
    (other / "b.wav").rename(other / "a.wav")
    assert clips_of([other], None, folder / "clips.csv")[0].path == other / "a.wav"


def test_a_name_is_found_in_either_spelling_of_unicode(folder: Path) -> None:
    (folder / "b.wav").rename(folder / "Zoe\u0308.wav")
    for named, cells in (
        ([folder], "id,text\nZo\u00eb,hi\n"),
        ([], "path,text\nZo\u00eb.wav,hi\n"),
    ):
        (folder / "clips.csv").write_text(cells, "utf-8")
        first, *_ = clips_of(named, None, folder / "clips.csv")
        assert first.path == folder / "Zoe\u0308.wav" and first.text == "hi"


def test_columns_that_are_not_used_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "clips.csv").write_text("path;Transkript\nb.wav;hallo\n")
    clips_of([], None, folder / "clips.csv")
    assert "clips.csv: its columns Transkript are not used; the known ones are id" in caplog.text


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("path,position\nb.wav,1.5", "line 2: position is '1.5', expected a whole number"),
        ("id,text\nz,hello", "clips.csv, line 2: 'z' is no file beside the table"),
        ("text\nhello", "no column id or path"),
        ("path,start\nb.wav,soon", "line 2: start is 'soon', expected a number"),
    ],
)
def test_what_a_table_lacks_is_told(folder: Path, lines: str, words: str) -> None:
    (folder / "clips.csv").write_text(lines)
    with pytest.raises(InputError, match=words):
        clips_of([], None, folder / "clips.csv")


def test_windows_are_the_stretches_between_pauses(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        windows, "speech_stretches", lambda sound: [(0.0, 0.04), (0.06, 0.1)] if len(sound) else []
    )
    path = folder / "b.wav"
    cut = clips_of([path], None, None, windows=True)
    assert [(clip.id, clip.start, clip.end) for clip in cut] == [
        (str(path), 0.0, 0.04),
        (str(path), 0.06, 0.1),
    ]
    (folder / "d.wav").touch()
    assert clips_of([folder / "d.wav"], None, None, windows=True) == [
        Clip(str(folder / "d.wav"), folder / "d.wav")
    ]


def test_a_stretch_of_late_sound_is_where_it_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "speech_stretches", loud_stretches)
    sound = np.zeros((1, 48_000), np.float32)
    sound[:, 8000:16_000], sound[:, 32_000:40_000] = tone(0.5, 16_000), tone(0.5, 16_000)
    path = write_clip(
        tmp_path / "a.mp4", grey_levels(80), sound, sound_begins=2.0, sound_hole=(1.5, 2.0)
    )
    cut = windows.cut_at_pauses([Clip("a", path)])
    times = [time for clip in cut for time in (clip.start, clip.end)]
    assert times == pytest.approx([2.5, 3.0, 6.0, 6.5], abs=0.1)
    for clip in cut:
        assert np.abs(read_clip(clip)).mean() == pytest.approx(1 / np.pi, abs=0.05)


def loud_stretches(sound: np.ndarray) -> list[tuple[float, float]]:
    """Where sound is loud, in seconds: two stretches with a second between."""
    loud = np.flatnonzero(np.abs(sound) > 0.1) / 16_000
    (gap,) = np.flatnonzero(np.diff(loud) > 0.5)
    return [(loud[0], loud[gap]), (loud[gap + 1], loud[-1])]


def test_nobody_speaking_is_no_stretch() -> None:
    assert windows.speech_stretches(np.zeros(32_000, np.float32)) == []


def several() -> list[ClipAnswers]:
    """Two clips through two models; of the second nothing could be made."""
    shares = {"joy": 0.75, "anger": 0.25}
    good = {
        "sentiment": Prediction("=a.wav", 1.5, text="so good"),
        "emotion": Prediction("=a.wav", "joy", shares, "so good"),
    }
    lacking = Prediction("b.wav", text="", missing={"text": "no words"})
    bad = {
        name: lacking.without_answer("nothing could be made of it: text: no words") for name in good
    }
    return [ClipAnswers(good), ClipAnswers(bad)]


def test_answers_of_several_models_stand_side_by_side() -> None:
    first, second = json.loads(render(several(), "json"))
    assert first == {
        **{"id": "=a.wav", "text": "so good", "status": "ok"},
        "sentiment": {"prediction": 1.5, "status": "ok"},
        "emotion": {
            **{"prediction": "joy", "status": "ok"},
            "probabilities": {"joy": 0.75, "anger": 0.25},
        },
    }
    assert second["status"] == "failed" and second["sentiment"]["prediction"] is None
    assert second["reason"] == "nothing could be made of it: text: no words"
    header, row, _ = list(csv.reader(render(several(), "csv").splitlines()))
    assert dict(zip(header, row, strict=True)) == {
        **{"id": "'=a.wav", "sentiment": "1.500", "emotion": "joy", "p_emotion_joy": "0.750"},
        **{"p_emotion_anger": "0.250", "text": "so good", "status": "ok", "missing": ""},
    }


def test_contributions_stand_in_columns() -> None:
    first, second = several()
    gave = {
        "modalities": {"text": 1.25, "audio": -0.5},
        "words": [{"word": w, "change": 0.5} for w in ("so,", "a")],
    }
    first.by_model["sentiment"].contributions = gave
    header, row, without = table_of([first, second])
    names = ["sentiment", "change_sentiment_text", "change_sentiment_audio"]
    assert header[1:6] == [*names, "change_sentiment_words", "emotion"]
    assert row[1:6] == [1.5, 1.25, -0.5, "so, +0.500; a +0.500", "joy"] and without[2:5] == [
        None,
        None,
        "",
    ]
    alone = Prediction("a", 1.5, contributions={"modalities": {"text": 0.5}, "words": []})
    assert table_of([alone])[0][:3] == ["id", "prediction", "change_text"]


def test_words_alone_are_answered_for() -> None:
    assert clips_of([], "so good", None) == [Clip("text", None, "so good")]


def test_a_sheet_has_numbers_words_and_no_formulas(tmp_path: Path) -> None:
    files = write_answers(tmp_path / "answers.xlsx", several())
    assert [file.name for file in files] == ["answers.xlsx", "answers.png"]
    assert all(file.stat().st_size for file in files) and zipfile.is_zipfile(files[0])
    sheet = openpyxl.load_workbook(files[0]).active
    rows = list(sheet.iter_rows())
    assert [cell.value for cell in rows[0]][:3] == ["id", "sentiment", "emotion"]
    assert (rows[1][0].value, rows[1][0].data_type) == ("=a.wav", "s")
    assert rows[1][1].value == 1.5 and rows[2][1].value is None


def test_faces_are_looked_for_once_where_no_model_has_found_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked = []
    monkeypatch.setattr(
        "preprocess.faces.face_detection.face_share",
        lambda path, *_, **times: looked.append((path.name, times)) or 0.5,
    )
    clips = [Clip(name, tmp_path / name, start=1.0) for name in ("a", "b")]
    by_model = [[Prediction("a", 1.0), Prediction("b", 2.0, faces=0.25)] for _ in range(2)]
    add_faces([*clips, Clip("words")], [[*told, Prediction("words", 0.0)] for told in by_model])
    assert looked == [("a", {"start": 1.0, "end": None})]
    assert [[one.faces for one in told] for told in by_model] == [[0.5, 0.25]] * 2
    answers = [ClipAnswers({"x": one, "y": two}) for one, two in zip(*by_model, strict=True)]
    assert [row[3] for row in table_of(answers)] == ["faces", 0.5, 0.25]
    assert json.loads(render(answers, "json"))[1]["faces"] == 0.25
    assert "faces" not in render(several(), "csv")
    plain, more = (
        draw(tmp_path / f"{name}.png", found)
        for name, found in (("plain", several()), ("faces", answers))
    )
    assert plain and more and more.stat().st_size
    monkeypatch.undo()
    caplog.set_level("INFO")
    add_faces([Clip("none.mp4", tmp_path / "none.mp4")], [[found := Prediction("none.mp4", 1.0)]])
    assert found.faces is None and "none.mp4: no faces: " in caplog.text


def test_a_clip_that_cannot_be_heard_keeps_the_reason(
    tmp_path: Path, stored_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_model("minilm")
    (tmp_path / "empty.mp4").touch()
    (heard,) = listen([Clip("empty", tmp_path / "empty.mp4")])
    assert heard.text == "" and "the file is empty (0 bytes)" in heard.unheard
    spec = ModalitySpec(30522, kind="tokens", extractor="minilm_tokens")
    schema = Schema("test", LabelSpec("regression"), "text", (), {"text": spec})
    inputs = ClipInputs(schema, Path("model"))
    monkeypatch.setattr(inputs, "_check_same", lambda *_: None)
    (missing,) = inputs.read([heard])[1]
    assert missing == {"text": heard.unheard}


def test_a_clip_at_which_a_library_fails_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(clip: Clip, **_: object) -> np.ndarray:
        if clip.id == "bad":
            raise IndexError("list index out of range")
        return np.zeros(16_000, np.float32)

    monkeypatch.setattr("preprocess.media.clip_sound.read_clip", read)
    monkeypatch.setattr(
        "preprocess.media.speech_words.transcribe", lambda *_, **__: Transcript("words", "en")
    )
    clips = [Clip(name, tmp_path / name) for name in ("good", "bad", "last")]
    heard = listen(clips)
    assert [clip.text for clip in heard] == ["words", "", "words"]
    assert heard[1].unheard == "IndexError: list index out of range"
    monkeypatch.setattr(windows, "read_audio", lambda path, **_: read(Clip(path.name)))
    monkeypatch.setattr(windows, "speech_stretches", lambda sound: [(0.25, 0.5)])
    assert [clip.start for clip in windows.cut_at_pauses(clips)] == [0.25, None, 0.25]


def test_other_files_and_names(tmp_path: Path) -> None:
    (file,) = write_answers(tmp_path / "answers.json", several())
    assert len(json.loads(file.read_text())) == 2
    table, picture = write_answers(tmp_path / "answers.csv", several()[:1])
    assert table.read_bytes().startswith(b"\xef\xbb\xbfid,") and picture.read_bytes()[1:4] == b"PNG"
    timed = [Prediction("a", 0.5, start=float(k), end=k + 1.0) for k in range(3)]
    assert len(write_answers(tmp_path / "times.csv", timed)) == 2
    assert table.read_text(encoding="utf-8-sig").startswith("id,sentiment")
    with pytest.raises(InputError, match=r"ends in none of .xlsx, .csv, .json"):
        check_name(tmp_path / "answers.doc")
