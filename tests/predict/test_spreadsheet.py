"""A psychologist's folder and table, as they come, by one command to a sheet of answers."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import scipy.signal
import soundfile
from harness import run_cli
from small_clips import grey_levels, tone, write_clip

from examples.demo_corpus.talking_head import speak
from preprocess.media.clip import RATE

SAID = "I really loved this film, the story was wonderful and the acting was great."
PICTURE = {"pictures": grey_levels(10), "sound": tone(1.0, 48_000), "rate": 48_000}
SOUND = {"sound": tone(1.0, 48_000), "rate": 48_000}
# What each container is written with, and the words in the table; None: the clip is heard.
CLIPS: dict[str, tuple[dict[str, object], str]] = {
    "Frau Müller 1.mp4": (PICTURE, "Das ist – I loved it; really"),
    "Herr Groß, Sitzung 2.mov": (PICTURE, "It was all right"),
    "Übung (neu).mkv": (PICTURE, "I am so angry about it"),
    "clip 04.webm": (
        {**PICTURE, "video_codec": "libvpx", "audio_codec": "libopus"},
        'He said "never again"',
    ),
    "clip 05.avi": ({**PICTURE, "video_codec": "mpeg4", "audio_codec": "libmp3lame"}, "Terrible"),
    "clip 06.m4a": (SOUND, "What a surprise"),
    "Ärger.mp3": ({**SOUND, "audio_codec": "libmp3lame"}, "I hate waiting"),
    "clip 08.flac": ({"sound": tone(1.0, 16_000), "audio_codec": "flac"}, "Fine, thanks"),
    "clip 09.ogg": ({**SOUND, "audio_codec": "libopus"}, "I do not know"),
    "clip 10.opus": ({**SOUND, "audio_codec": "libopus"}, "So sad"),
    "lang.wav": ({"sound": tone(12.0, 16_000), "audio_codec": "pcm_s16le"}, "A good long day"),
}
HEARD, EMPTY, SILENT = "gehört.wav", "leer.mp4", "Stille 2.wav"


@pytest.fixture
def folder(tmp_path: Path, stored_model: Callable[[str], Path]) -> Path:
    """Fourteen clips, two with nothing in them, and the table beside them."""
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper")
    pytest.importorskip("espeakng_loader", reason="pip install espeakng-loader")
    for name in ("minilm", "whisper"):
        stored_model(name)
    place = tmp_path / "Aufnahmen März"
    place.mkdir()
    for name, (how, _) in CLIPS.items():
        write_clip(place / name, **how)
    spoken = speak(SAID, words_a_minute=160, pitch=50, pitch_range=50)
    soundfile.write(place / HEARD, scipy.signal.resample_poly(spoken, 320, 441), RATE)
    (place / EMPTY).touch()
    soundfile.write(place / SILENT, np.zeros(2 * RATE), RATE)
    lines = ["Path;Text;Start;End;Alter"]
    for name, (_, text) in CLIPS.items():
        quoted = f'"{text.replace(chr(34), 2 * chr(34))}"'
        times = "2,5;10,25" if name == "lang.wav" else ";"
        lines.append(f"{name};{quoted};{times};31,5")
    lines += [f"{name};;;;40" for name in (HEARD, EMPTY, SILENT)]
    (place / "Clips.csv").write_text("\r\n".join(lines) + "\r\n", encoding="cp1252", newline="")
    return place


def test_fourteen_clips_and_a_table_of_excels_to_a_sheet(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.xlsx"
    table = folder / "Clips.csv"
    run = run_cli(
        *("python", "-m", "mia_fairseq.predict", "--table", table, "--out", out), check=False
    )
    assert run.returncode == 2, run.stderr  # answers are there, but not for all
    assert "2 of 14 have no prediction; the first, " in run.stderr and "leer.mp4" in run.stderr
    assert run.stdout.splitlines() == [str(out), str(out.with_suffix(".png"))]
    assert out.with_suffix(".png").read_bytes()[1:4] == b"PNG"
    header, *rows = openpyxl.load_workbook(out).active.iter_rows(values_only=True)
    told = [dict(zip(header, row, strict=True)) for row in rows]
    by_name = {Path(row["id"]).name: row for row in told}
    assert list(by_name) == [*CLIPS, HEARD, EMPTY, SILENT]
    assert {name for name, row in by_name.items() if row["status"] != "ok"} == {EMPTY, SILENT}
    for name, (_, text) in CLIPS.items():
        assert by_name[name]["text"] == text
        assert -4 < by_name[name]["sentiment"] < 4 and by_name[name]["emotion"]
    assert (by_name["lang.wav"]["start"], by_name["lang.wav"]["end"]) == (2.5, 10.25)
    words = re.findall(r"[a-z]+", by_name[HEARD]["text"].lower())
    assert {"loved", "film", "story", "wonderful"} <= set(words)
    assert by_name[HEARD]["sentiment"] > 0.5
    for name, why in ((EMPTY, "0 bytes"), (SILENT, "no words")):
        assert by_name[name]["status"] == "failed" and by_name[name]["sentiment"] is None
        assert why in by_name[name]["missing"], by_name[name]["missing"]
