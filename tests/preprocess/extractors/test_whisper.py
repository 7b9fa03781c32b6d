"""Whisper: words where somebody speaks, none where nobody does, and vectors at 50 Hz."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.predict.clip_inputs import ClipInputs
from mia_fairseq.pretrained.model_list import MODELS
from preprocess import transcribe
from preprocess.extractors.base import Clip, Failure, build_extractor
from preprocess.media import speech, speech_words, streams
from preprocess.media.clip import RATE
from preprocess.media.spoken_language import Speech
from preprocess.tables.manifest import Row, read_manifest, write_manifest

SENTENCES = [
    "I really loved this film, the story was wonderful and the acting was great.",
    "This was a terrible waste of time and money.",
]


@pytest.fixture(autouse=True)
def model(stored_model: Callable[[str], Path], arrays_for_media: None) -> None:
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper")
    stored_model("whisper")


def _word_errors(said: str, heard: str) -> float:
    """Edits between two word sequences, over the words said (plain dynamic programming)."""
    one, other = (re.findall(r"[a-z']+", text.lower()) for text in (said, heard))
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, guess in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != guess))
    return row[-1] / len(one)


def test_a_spoken_sentence_is_understood(speak: Callable[[str], np.ndarray]) -> None:
    heard = [speech_words.transcribe(speak(sentence)).text for sentence in SENTENCES]
    rates = [_word_errors(*pair) for pair in zip(SENTENCES, heard, strict=True)]
    assert sum(rates) / len(rates) < 0.3


def test_short_speech_that_repeats_itself_is_heard_again_at_full_length(
    speak: Callable[[str], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = speak(SENTENCES[0])
    heard = speech_words.transcribe(audio).text
    assert not speech_words.repeats(heard) and speech_words.repeats("go on " * 20)
    assert speech_words.repeats("Dogs are here! Dogs are here.")
    assert not any(map(speech_words.repeats, ("", "no, no", "it is what it is", "so bad, so bad")))
    monkeypatch.setattr(
        speech_words, "hear_short", lambda *_: speech_words.Heard("go on " * 20, False, "en")
    )
    assert _word_errors(heard, speech_words.transcribe(audio).text) < 0.2


def test_devices_are_those_of_ctranslate2(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 2)
    there = ["cpu", "cpu:0", "cuda", "cuda:1"]
    assert [
        name for name in (*there, "cuda:2", "cuda:x", "mps", "") if speech.runs_on(name)
    ] == there
    asked: dict[str, object] = {}
    monkeypatch.setattr("faster_whisper.WhisperModel", lambda _, **how: asked.update(how))
    speech.whisper("cuda:1", "test")
    assert (asked["device"], asked["device_index"]) == ("cuda", 1)
    with pytest.raises(InputError, match="device is 'mps', which CTranslate2 does not have here"):
        speech.whisper("mps")
    spec = ModalitySpec(384, extractor="whisper")
    schema = Schema("test", LabelSpec("regression"), "audio", (), {"audio": spec})
    clip = Clip("tone", samples=np.sin(np.arange(RATE, dtype=np.float32)))
    arrays, missing = ClipInputs(schema, Path("model"), device="mps").read([clip])
    assert arrays["audio"][0].shape == (50, 384) and missing == [{}]
    assert "whisper runs on the processor: it has no mps here" in caplog.text


def test_a_window_has_silence_behind_the_speech() -> None:
    seconds = [
        speech_words.window_seconds(int(second * RATE)) for second in (0.5, 9, 9.5, 29, 29.5)
    ]
    assert seconds == [10, 10, 20, 30, 40]


def test_nobody_speaking_gives_no_words() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * RATE).astype(np.float32)
    for audio in (np.zeros(3 * RATE, np.float32), noise, np.zeros(0, np.float32)):
        assert speech_words.transcribe(audio).text == ""


def test_states_are_those_of_a_direct_call_at_whispers_own_padding() -> None:
    whisper = speech.whisper()
    audio = np.random.default_rng(1).normal(0, 0.1, 2 * RATE + 100).astype(np.float32)
    mel = whisper.feature_extractor(np.pad(audio, (0, 30 * RATE - len(audio))), padding=0)
    expected = np.asarray(whisper.encode(mel))[0]
    states = speech.encode(whisper, audio, pad_to=30)
    assert states.dtype == np.float32
    assert np.array_equal(states, expected[:101])  # 2 s at 50 Hz, and a bit
    short = speech.encode(whisper, audio)
    assert short.shape == states.shape
    assert np.corrcoef(short.mean(0), states.mean(0))[0, 1] > 0.9


def test_long_audio_goes_in_windows_of_thirty_seconds() -> None:
    whisper = speech.whisper()
    audio = np.random.default_rng(2).normal(0, 0.1, 33 * RATE).astype(np.float32)
    states = speech.encode(whisper, audio)
    assert states.shape == (33 * 50, 384)
    assert np.array_equal(states[1500:], speech.encode(whisper, audio[30 * RATE :]))


def test_the_extractor_cuts_by_time_and_tells_silence_and_nothing(tmp_path: Path) -> None:
    audio = np.random.default_rng(3).normal(0, 0.1, 4 * RATE).astype(np.float32)
    audio[3 * RATE :] = 0
    np.save(tmp_path / "a.npy", audio)
    path = tmp_path / "a.npy"
    clips = [
        Clip("whole", path),
        Clip("part", path, start=1.0, end=2.5),
        Clip("silent", path, start=3.2),
        Clip("beyond", path, start=9.0),
        Clip("none"),
    ]
    extractor = build_extractor("whisper")
    outputs = extractor.extract(clips)
    arrays = [output for output in outputs if isinstance(output, np.ndarray)]
    assert [array.shape for array in arrays] == [(200, 384), (75, 384), (40, 384)]
    alone = extractor.extract([clips[1]])[0]
    assert isinstance(alone, np.ndarray)
    assert alone.tobytes() == arrays[1].tobytes()
    reasons = [output.reason for output in outputs if isinstance(output, Failure)]
    assert reasons == [
        "a.npy has no sound between its start and end",
        "no media file is named for it",
    ]
    assert extractor.take_notes() == [("silent", "its sound is silence")]
    assert set(extractor.take_stages()) == {"decode", "whisper"}
    assert extractor.describe()["rate"] == 50.0


@pytest.mark.parametrize("pad_to", ["0", "31", "long"])
def test_a_wrong_padding_is_told(pad_to: str) -> None:
    with pytest.raises(InputError, match=f"pad_to is '{pad_to}', expected 1 to 30"):
        build_extractor("whisper", {"pad_to": pad_to})


def test_a_layer_is_an_option_of_the_extractor(tmp_path: Path) -> None:
    audio = np.random.default_rng(3).normal(0, 0.1, 4 * RATE).astype(np.float32)
    np.save(tmp_path / "a.npy", audio)
    clip = [Clip("a", tmp_path / "a.npy")]
    last, same, middle = (
        build_extractor("whisper", {"layer": layer}) for layer in ("last", "4", "2")
    )
    arrays = [extractor.extract(clip)[0] for extractor in (last, same, middle)]
    assert [array.shape for array in arrays] == [(200, 384)] * 3
    assert np.allclose(arrays[0], arrays[1], atol=1e-3)
    assert np.abs(arrays[0] - arrays[2]).mean() > 0.1
    assert middle.describe()["layer"] == 2 and "layer" not in last.describe()
    both = build_extractor("whisper", {"layer": "2,4"})
    assert np.array_equal(both.extract(clip)[0][:, :384], arrays[2])
    assert np.array_equal(both.extract(clip)[0][:, 384:], arrays[1])
    assert both.dim == 768 and both.describe()["layer"] == "2,4"
    for wrong in ("5", "2,5", "2,", "-1", "²"):
        with pytest.raises(InputError, match=f"layer is '{wrong}', expected last, one of 0 to 4,"):
            build_extractor("whisper", {"layer": wrong})


def test_base_is_wider_and_hears_what_is_spoken(
    tmp_path: Path,
    speak: Callable[[str], np.ndarray],
    stored_model: Callable[[str], Path],
) -> None:
    folder = stored_model("whisper_base")
    np.save(tmp_path / "a.npy", speak(SENTENCES[1]))
    clip = [Clip("a", tmp_path / "a.npy")]
    last, same = (build_extractor("whisper_base", {"layer": layer}) for layer in ("last", "6"))
    arrays = [extractor.extract(clip)[0] for extractor in (last, same)]
    assert arrays[0].shape[1] == last.dim == 512
    assert np.allclose(arrays[0], arrays[1], atol=2e-3)
    assert last.describe()["model"] == MODELS["whisper_base"].what
    named = Speech(speech.speech_folder("base"), "en")
    assert named.folder == folder
    heard = speech_words.transcribe(np.load(tmp_path / "a.npy"), speech=named)
    assert heard.language == "en" and _word_errors(SENTENCES[1], heard.text) <= 0.2


def test_missing_words_are_filled_in(
    tmp_path: Path,
    speak: Callable[[str], np.ndarray],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "read_audio", lambda path, **_: np.load(path))
    np.save(tmp_path / "a.npy", speak(SENTENCES[1]))
    rows = [
        Row("a", "test", "1", tmp_path / "a.npy", ""),
        Row("b", "test", "1", tmp_path / "a.npy", "my own words"),
        Row("c", "test", "1", None, ""),
    ]
    write_manifest(tmp_path / "m.tsv", rows)
    transcribe.main([str(tmp_path / "m.tsv"), "--out", str(tmp_path / "n.tsv")])
    texts = [row.text or "" for row in read_manifest(tmp_path / "n.tsv").rows]
    assert "terrible" in texts[0]
    assert texts[1:] == ["my own words", ""]
    told = capsys.readouterr().out
    assert "1 texts filled in, 1 could not be" in told
    assert "c: no media file is named for it" in told
