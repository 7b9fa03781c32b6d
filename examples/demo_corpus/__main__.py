"""Make a small corpus of talking clips whose labels are known: `python -m examples.demo_corpus`.

Everything in it is generated (see talking_head.py); it shows that the whole way from clips
to a prediction works, and says nothing on how well a model does on people.

A clip's label, from -3 to 3, is 1.5 times the valence of its words plus 1.5 times that of its
delivery. The two are drawn independently from -1, -0.5, 0, 0.5 and 1, so that words alone explain
half of the label's variance. The delivery shows in the face (smile or frown) and sounds in the
voice (pitch, its range, speed), in each with noise of its own. Clips come in takes of three that
share light, distance and basic pitch and never fall into different splits.
"""

import argparse
import csv
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.demo_corpus.talking_head import TalkingHead, loudness, speak, write_mp4
from examples.demo_corpus.voice import SAMPLE_RATE
from mia_fairseq.command import run
from mia_fairseq.errors import InputError
from mia_fairseq.files import atomic_path, write_whole

logger = logging.getLogger(__name__)

FPS = 12
TAKE = 3  # clips that share light, distance and basic pitch
LEVELS = (-1.0, -0.5, 0.0, 0.5, 1.0)
COLUMNS = ("id", "label", "text", "split", "group", "path")
NOISE = 0.12  # standard deviation of face and voice around the delivery
TRAIN, VALID = 0.6, 0.15  # shares of the takes; the rest is test

OPENINGS = (
    "I saw the film on Monday,",
    "We watched it at home,",
    "My sister took me there,",
    "I went with two friends,",
    "They showed it at school,",
    "I finished it last night,",
)
SENTENCES: dict[float, tuple[str, ...]] = {
    -1.0: (
        "it was terrible and I hated every minute of it.",
        "the acting was awful and the ending was horrible.",
        "it was the worst film I have ever seen.",
        "I was angry and disgusted by this stupid story.",
    ),
    -0.5: (
        "it was a bit boring and rather slow.",
        "the story was weak and I was disappointed.",
        "some of the jokes were not very good.",
        "I did not like the music very much.",
    ),
    0.0: (
        "it is two hours long and set in a small town.",
        "the film is about a doctor and her brother.",
        "it begins at seven and ends at nine.",
        "there are three actors and one house in it.",
    ),
    0.5: (
        "it was quite nice and I liked the music.",
        "the story was good and fairly interesting.",
        "I enjoyed some of the jokes in it.",
        "the acting was fine and pleasant to watch.",
    ),
    1.0: (
        "it was wonderful and I loved every minute of it.",
        "the acting was brilliant and the ending was beautiful.",
        "it was the best film I have ever seen.",
        "I was happy and delighted by this amazing story.",
    ),
}
README = """\
This corpus is generated. A portrait (NASA, public domain, from scikit-image) was warped to smile
or frown, and espeak-ng spoke made-up sentences. Nobody said or did any of this. Labels are known
because the clips were made from them: label = 1.5 * words + 1.5 * delivery, from -3 to 3.
"""


@dataclass(frozen=True)
class Plan:
    """One clip before it is made: `words`, `delivery`, `smile` and `voice` are from -1 to 1."""

    id: str
    text: str
    words: float
    delivery: float
    smile: float
    voice: float
    take: int
    split: str

    @property
    def label(self) -> float:
        return 1.5 * self.words + 1.5 * self.delivery


def plan_corpus(clips: int, seed: int) -> list[Plan]:
    """What each clip says and shows; every pairing of words and delivery comes before any again.

    Raises InputError for fewer clips than three takes, one for each split.
    """
    takes = math.ceil(clips / TAKE)
    if takes < 3:
        raise InputError(
            f"{clips} clips were asked for, expected at least {2 * TAKE + 1} so that each split "
            "has some; give a larger --clips"
        )
    generator = np.random.default_rng(seed)
    pairs: list[tuple[float, float]] = []
    while len(pairs) < clips:
        pairs += [(LEVELS[i // 5], LEVELS[i % 5]) for i in generator.permutation(25)]
    train = min(max(1, round(TRAIN * takes)), takes - 2)
    valid = min(max(1, round(VALID * takes)), takes - train - 1)
    splits = ["train"] * train + ["valid"] * valid + ["test"] * (takes - train - valid)
    plans = []
    for index, (words, delivery) in enumerate(pairs[:clips]):
        opening, sentence = generator.choice(OPENINGS), generator.choice(SENTENCES[words])
        smile, voice = np.clip(delivery + generator.normal(0, NOISE, 2), -1, 1)
        take = index // TAKE
        plans.append(
            Plan(
                id=f"take{take + 1:02d}_{index % TAKE + 1}",
                text=f"{opening} {sentence}",
                words=words,
                delivery=delivery,
                smile=float(smile),
                voice=float(voice),
                take=take,
                split=splits[take],
            )
        )
    return plans


def make_clip(plan: Plan, head: TalkingHead, seed: int, path: Path) -> None:
    """Make one clip; it depends on its plan and the seed only."""
    of_take = np.random.default_rng((seed, plan.take))
    zoom, light = of_take.uniform(0.95, 1.15), of_take.uniform(0.75, 1.15)
    base_pitch = of_take.uniform(42, 52)
    samples = speak(
        plan.text,
        words_a_minute=round(165 + 25 * plan.voice),
        pitch=round(base_pitch + 22 * plan.voice),
        pitch_range=round(45 + 30 * plan.voice),
    )
    frames = math.ceil(len(samples) * FPS / SAMPLE_RATE)
    mouth = loudness(samples, frames, FPS)
    sway = np.random.default_rng((seed, plan.take, hash_of(plan.id))).uniform(0, 2 * math.pi, 2)
    pictures = [
        head.picture(
            plan.smile,
            float(mouth[i]),
            zoom=zoom,
            shift=(4 * math.sin(1.9 * i / FPS + sway[0]), 3 * math.sin(1.3 * i / FPS + sway[1])),
            light=light,
        )
        for i in range(frames)
    ]
    with atomic_path(path) as partial:
        write_mp4(partial, pictures, samples, FPS)


def hash_of(text: str) -> int:
    """A number that is the same in every process, unlike Python's own hash."""
    return int.from_bytes(text.encode(), "big")


def make_corpus(folder: Path, clips: int = 24, seed: int = 1, size: int = 160) -> Path:
    """Write `clips/*.mp4`, `labels.csv` and a README into a folder; returns the CSV's path.

    `size` is the pictures' height and width in pixels, even and at least 96. The same arguments
    give the same files. Raises InputError for a size or a number of clips that cannot be.
    """
    if size < 96 or size % 2:
        raise InputError(
            f"pictures of {size} pixels were asked for, expected an even number from 96 on, so "
            "that the face can be found; give another --size"
        )
    plans = plan_corpus(clips, seed)
    head = TalkingHead(size)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    for plan in plans:
        make_clip(plan, head, seed, folder / "clips" / f"{plan.id}.mp4")
    write_whole(folder / "README.txt", README)
    labels = folder / "labels.csv"
    with atomic_path(labels) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for plan in plans:
            group, path = f"take{plan.take + 1:02d}", f"clips/{plan.id}.mp4"
            writer.writerow([plan.id, f"{plan.label:g}", plan.text, plan.split, group, path])
    logger.info("%s: %d generated clips (warped portrait, synthetic voice)", folder, len(plans))
    return labels


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo_corpus",
        description="Make a small corpus of generated talking clips with known labels.",
    )
    parser.add_argument("folder", type=Path, help="where clips/ and labels.csv go")
    parser.add_argument("--clips", type=int, default=24, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--size", type=int, default=160, help="pixels (default: %(default)s)")
    options = parser.parse_args(arguments)
    make_corpus(options.folder, options.clips, options.seed, options.size)


if __name__ == "__main__":
    run(main)
