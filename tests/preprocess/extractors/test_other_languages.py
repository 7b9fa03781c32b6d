"""Words in other languages: a speech model of one's own, its language given or found out."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_whisper import DIM, write_whisper

from mia_fairseq import load_model
from mia_fairseq.errors import InputError
from mia_fairseq.predict.__main__ import main as predict
from mia_fairseq.ready import catalog
from preprocess import transcribe as command
from preprocess.extractors.base import Clip, build_extractor
from preprocess.media import speech_words
from preprocess.media.clip import RATE
from preprocess.media.spoken_language import Speech
from preprocess.tables.manifest import Row, write_manifest


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, stored_model: Callable[[str], Path]) -> Path:
    """A speech model of several languages that learnt nothing."""
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper")
    return write_whisper(tmp_path_factory.mktemp("speech") / "model", stored_model("whisper"))


@pytest.fixture
def sound(speak: Callable[[str], np.ndarray], tmp_path: Path) -> Path:
    """A spoken sentence in a file."""
    path = tmp_path / "a.wav"
    soundfile.write(path, speak("This was a terrible waste of time."), RATE, subtype="FLOAT")
    return path


def test_words_are_heard_in_the_language_that_is_named_or_found_out(
    model: Path, sound: Path, tmp_path: Path
) -> None:
    audio = soundfile.read(sound, dtype="float32")[0]
    named = {
        code: speech_words.transcribe(audio, speech=Speech(model, code)) for code in ("de", "fr")
    }
    assert {code: heard.language for code, heard in named.items()} == {"de": "de", "fr": "fr"}
    assert named["de"].text and named["de"].text != named["fr"].text
    found = speech_words.transcribe(audio, speech=Speech(model))
    again = speech_words.transcribe(audio, speech=Speech(model, found.language))
    assert found == again and found.language in {"en", "de", "fr"}  # what the model can find out
    assert speech_words.transcribe(audio).language == "en"
    assert speech_words.transcribe(np.zeros(RATE, np.float32), speech=Speech(model)) == ("", "")
    # Training hears what prediction hears.
    write_manifest(tmp_path / "m.tsv", [Row("a", "test", "0", sound)])
    own = ["--speech-model", str(model), "--language", "de"]
    command.main([str(tmp_path / "m.tsv"), "--out", str(tmp_path / "w.tsv"), *own])
    with (tmp_path / "w.tsv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    assert row["text"] == named["de"].text


def test_a_ready_model_says_once_that_it_does_not_read_the_language(
    model: Path,
    sound: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    catalog._tell_unread.cache_clear()
    audio = soundfile.read(sound, dtype="float32")[0]
    heard = speech_words.transcribe(audio, speech=Speech(model, "de"))
    own = ["--speech-model", str(model), "--language", "de", "--json"]
    predict([str(sound), str(sound), *own])
    told = "the words are in 'de', and the ready models read 'en' only"
    first, _ = json.loads(capsys.readouterr().out)
    assert first["text"] == heard.text and first["status"] == "ok"
    predict([str(sound), "--text", "so schlecht", *own])
    assert caplog.text.count(told) == 1 and "(--text or --table)" in caplog.text
    (answer,) = load_model("sentiment-small", speech=Speech(model, "fr")).predict(sound)
    assert answer.text and caplog.text.count("the words are in 'fr'") == 1
    caplog.clear()
    predict([str(sound), "--text", "so bad", "--language", "en"])
    assert told not in caplog.text


def test_every_card_tells_a_language() -> None:
    for name in catalog.ready_models():
        assert catalog.reads(catalog.ready_folder(name)) == ("en",)


def test_what_a_speech_model_cannot_do_is_one_sentence(
    model: Path, sound: Path, tmp_path: Path
) -> None:
    english = "language is 'de', and the speech model in the box hears English only; name a Whisper"
    for run in (
        lambda: predict([str(sound), "--language", "de"]),
        lambda: load_model("sentiment-small", speech=Speech(language="de")).predict(sound),
    ):
        with pytest.raises(InputError, match=english):
            run()
    write_manifest(tmp_path / "m.tsv", [Row("a", "test", "0", sound)])
    manifest = [str(tmp_path / "m.tsv"), "--out", str(tmp_path / "w.tsv")]
    with pytest.raises(InputError, match=english):
        command.main([*manifest, "--language", "de"])
    with pytest.raises(InputError, match=r"language is 'german', expected one that .* af, am, ar"):
        command.main([*manifest, "--speech-model", str(model), "--language", "german"])
    with pytest.raises(InputError, match=r"has no model.bin, expected a Whisper in CTranslate2's"):
        command.main([*manifest, "--speech-model", str(tmp_path)])
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="holds no Whisper that can be read"):
        command.main([*manifest, "--speech-model", str(tmp_path)])
    assert not (tmp_path / "w.tsv").exists()


def test_the_encoder_of_a_speech_model_of_ones_own(model: Path, sound: Path) -> None:
    clip = Clip("a", sound)
    last = build_extractor("whisper", {"folder": str(model)})
    every = build_extractor("whisper", {"folder": str(model), "layer": "1"})
    (states,), (same,) = last.extract([clip]), every.extract([clip])
    assert states.shape[1] == last.dim == DIM
    np.testing.assert_allclose(states, same, rtol=1e-3, atol=1e-3)
    told = last.describe()
    assert told["model"] == str(model) and told["dim"] == DIM and len(told["model_sha256"]) == 64
