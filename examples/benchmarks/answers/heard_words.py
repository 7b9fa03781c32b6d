"""The words that are heard, graded: greedily as now, and by beam search as before.

    python -m examples.benchmarks.answers.heard_words [--quick] [--json FILE]

`preprocess.media.speech_words` reads short speech greedily in windows of ten seconds. Before, each
clip went through faster-whisper with five beams and Whisper's thirty seconds; both gate by Silero's
voice activity. Graded are the demo's GENERATED sentences (espeak-ng) and real speech, each where it
is found: clips of RAVDESS, actor by actor (``--ravdess``, two sentences), as many others of it that
are drawn at random, and the sentences of Debian's ``pocketsphinx-testdata`` (``--pocketsphinx``: a
novel read aloud, and playing cards). That a sentence is heard again where it ends twice was found
on the first clips of RAVDESS; the drawn ones had no part in it. The rate is of a corpus: edits over
its words, both texts through Whisper's own normaliser of English.
"""

import argparse
import csv
import os
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from examples.benchmarks.timing import Ratio, TimingReport, arguments, machine, seconds, start
from examples.demo_corpus.__main__ import plan_corpus
from examples.demo_corpus.talking_head import speak
from examples.demo_corpus.voice import SAMPLE_RATE
from mia_fairseq.predict.clips import clip_of_sound
from preprocess.media import speech_words
from preprocess.media.clip_sound import read_clip
from preprocess.media.speech import whisper
from preprocess.media.streams import read_audio

SHARED = Path(os.environ.get("MIA_SHARED_DATA", "../shared/data"))
DEBIAN = Path("/usr/share/pocketsphinx/test/data")
REAL = 40  # clips of RAVDESS, and as many that had no part in any choice
FRESH = "RAVDESS, fresh"
Sound = NDArray[np.float32]


class Said(NamedTuple):
    """One sentence: its sound, (N,) at 16 kHz, and its words."""

    sound: Sound
    words: str


def now(sound: Sound) -> str:
    """As everything here hears."""
    return speech_words.transcribe(sound).text


def before(sound: Sound) -> str:
    """As it was until short windows came."""
    segments, _ = whisper().transcribe(
        sound,
        language="en",
        vad_filter=True,
        temperature=0.0,
        condition_on_previous_text=False,
    )
    return " ".join(segment.text.strip() for segment in segments).strip()


WAYS: dict[str, Callable[[Sound], str]] = {"now": now, "before": before}


def demo(clips: int, seed: int) -> list[Said]:
    """The demo's sentences, in voices as its clips have them."""
    found = []
    for plan in plan_corpus(max(clips, 24), seed)[:clips]:
        samples = speak(
            plan.text,
            words_a_minute=round(165 + 25 * plan.voice),
            pitch=round(47 + 22 * plan.voice),
            pitch_range=round(45 + 30 * plan.voice),
        )
        found.append(Said(read_clip(clip_of_sound(samples, SAMPLE_RATE, plan.id)), plan.text))
    return found


def ravdess(folder: Path, clips: int, seed: int) -> tuple[list[Said], list[Said]]:
    """Clips of every actor in turn, of other emotions each time; and as many others by chance."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    actors: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        actors.setdefault(row["actor"], []).append(row)
    chosen = [
        mine[7 * place % len(mine)]
        for place, mine in enumerate((list(actors.values()) * clips)[:clips])
    ]
    known = {row["audio"] for row in chosen}
    others = [row for row in rows if row["audio"] not in known]
    drawn = random.Random(seed).sample(others, clips)
    first, fresh = (
        [Said(read_audio(folder / row["audio"]), row["text"]) for row in part]
        for part in (chosen, drawn)
    )
    return first, fresh


def pocketsphinx(folder: Path, clips: int) -> list[Said]:
    """The sentences that have a transcription: ``<s> words </s> (file)`` a line."""
    found = []
    for table in sorted(folder.glob("*/*transcription")):
        for line in table.read_text(encoding="utf-8").splitlines():
            told = re.fullmatch(r"<s>(.*)</s>\s*\((.*)\)", line.strip())
            if told:
                found.append(Said(read_audio(table.parent / f"{told[2]}.wav"), told[1].strip()))
    return found[:clips]


def edits(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words are to be changed, put in or taken out (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, guess in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != guess))
    return row[-1]


def graded(said: Sequence[Said], normal: Callable[[str], str]) -> dict[str, Any]:
    """Both ways over a corpus, clip by clip in turn: edits, words, and CPU seconds."""
    wrong, taken = dict.fromkeys(WAYS, 0), {way: np.zeros(len(said)) for way in WAYS}
    words = 0
    for place, one in enumerate(said):
        right = normal(one.words).split()
        words += len(right)
        for way, hear in WAYS.items():
            begun = seconds()
            heard = hear(one.sound)
            taken[way][place] = seconds() - begun
            wrong[way] += edits(right, normal(heard).split())
    return {"words": words, "wrong": wrong, "taken": taken}


def measure(args: argparse.Namespace) -> TimingReport:
    """Each corpus that is found."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    normal = EnglishTextNormalizer({})
    most = 2 if args.quick else None
    corpora = {"demo (generated)": demo(most or args.clips, args.seed)}
    if (args.ravdess / "labels.csv").is_file():
        corpora["RAVDESS"], corpora[FRESH] = ravdess(args.ravdess, most or REAL, args.seed)
    if args.pocketsphinx.is_dir():
        corpora["pocketsphinx-testdata"] = pocketsphinx(args.pocketsphinx, most or REAL)
    for hear in WAYS.values():
        hear(corpora["demo (generated)"][0].sound)  # models are loaded
    report = TimingReport("Words heard", machine())
    rows = report.tables["word error rate"] = []
    found = {name: graded(said, normal) for name, said in corpora.items()}
    real = [name for name in found if "generated" not in name]
    groups = {**{name: [name] for name in found}, **({"all real ones": real} if real else {})}
    for group, names in groups.items():
        words = sum(found[name]["words"] for name in names)
        rate = {way: sum(found[name]["wrong"][way] for name in names) / words for way in WAYS}
        clips = sum(len(corpora[name]) for name in names)
        rows.append({"corpus": group, "clips": clips, "words": words, **rate})
        taken = {way: np.concatenate([found[n]["taken"][way] for n in names]) for way in WAYS}
        report.ratios[f"{group}: CPU seconds, now / before"] = Ratio.of(*taken.values())
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=24, help="of the demo's")
    parser.add_argument("--ravdess", type=Path, default=SHARED / "ravdess", metavar="FOLDER")
    parser.add_argument("--pocketsphinx", type=Path, default=DEBIAN, metavar="FOLDER")
    start(measure, parser)
