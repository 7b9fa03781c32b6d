"""The lite set's extraction of the demo's clips against the bare forwards of its models.

    python -m examples.benchmarks.pipeline [--clips 24] [--quick] [--json FILE]

The corpus is GENERATED (`examples.demo_corpus`). One turn extracts all clips with each of the
three extractors, as `preprocess.extract` does in one process: decoding, preparation, models,
pooling, checks, arrays to disk. Then it replays the very calls of the models, with the inputs that
they got, in the same order, and nothing else: MiniLM's forward on token ids, Whisper's encoder on
mel spectrograms, RetinaFace's network on prepared pictures, mini-XCEPTION's on prepared faces.
These forwards are the denominator. The numerator is everything else too (tokenizing, spectrograms,
resizing, boxes, crops, pooling, checks, writing) but decoding, which is told apart because no
model's forward can do without it; the ratio with decoding in both stands beside it. Loading the
models counts in neither. One thread.
"""

import argparse
import csv
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from examples.benchmarks.timing import Ratio, TimingReport, arguments, machine, start
from examples.demo_corpus.__main__ import make_corpus
from preprocess.extraction.worker import Job, work
from preprocess.extractors.base import Clip, Extractor, build_extractor

LITE = {"text": "minilm", "audio": "whisper", "video": "face_expression"}
DECODING = ("decode", "decode video")
BATCH = 32  # clips handed to an extractor at a time, as preprocess.extract has it
Call = tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Recorded:
    """Stands before a model and remembers the calls of one of its methods."""

    def __init__(self, name: str, model: Any, method: str, calls: list[Call]) -> None:
        self._name, self._model, self._method, self._calls = name, model, method, calls

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._model, attribute)
        return self._remembering(found) if attribute == self._method else found

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._remembering(self._model)(*given, **named)

    def _remembering(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            self._calls.append((self._name, function, given, named))
            return function(*given, **named)

        return call


def recorded(extractors: dict[str, Any], calls: list[Call]) -> dict[str, tuple[Any, str, Any]]:
    """Where each model of the lite set sits, and what to put there: owner, attribute, stand-in."""
    text, audio, video = (extractors[name] for name in LITE)
    seats = {
        "MiniLM": (text.encoder, "model", "__call__"),
        "Whisper": (audio, "model", "encode"),
        "RetinaFace": (video.detector, "session", "run"),
        "mini-XCEPTION": (video, "network", "__call__"),
    }
    return {
        name: (owner, attribute, Recorded(name, getattr(owner, attribute), method, calls))
        for name, (owner, attribute, method) in seats.items()
    }


def extract(
    extractor: Extractor, job: Job, clips: Sequence[Clip]
) -> tuple[float, dict[str, float]]:
    """Seconds by the clock, and by stage, of one extractor over all clips."""
    stages: dict[str, float] = defaultdict(float)
    with patch("preprocess.extraction.worker.build_extractor", lambda *_: extractor):
        begun = time.perf_counter()
        for first in range(0, len(clips), BATCH):
            report = work(job, clips[first : first + BATCH])
            for stage, seconds in report.stages.items():
                stages[stage] += seconds
            if report.failures:
                raise RuntimeError(f"{job.extractor} left out {report.failures[0]}")
        return time.perf_counter() - begun, stages


def replay(calls: Sequence[Call]) -> dict[str, float]:
    """Seconds of each model's bare forwards."""
    taken: dict[str, float] = defaultdict(float)
    with torch.inference_mode():
        for name, function, given, named in calls:
            begun = time.perf_counter()
            function(*given, **named)
            taken[name] += time.perf_counter() - begun
    return taken


def read_clips(folder: Path, clips: int, seed: int) -> list[Clip]:
    """The demo's clips, the shortest text first, as preprocess.extract sorts them."""
    labels = make_corpus(folder, clips, seed)
    with labels.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [Clip(row["id"], folder / row["path"], row["text"]) for row in rows]
    return sorted(found, key=lambda clip: len(clip.text or ""))


def measure(args: argparse.Namespace) -> TimingReport:
    """Passes and replays in turn; the first turn does not count."""
    clips, turns = (7, 1) if args.quick else (args.clips, args.turns)
    calls: list[Call] = []
    passes, bare, stages = defaultdict(list), defaultdict(list), defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        chosen = read_clips(Path(folder), clips, args.seed)
        extractors = {name: build_extractor(kind, {}) for name, kind in LITE.items()}
        for owner, attribute, stand_in in recorded(extractors, calls).values():
            setattr(owner, attribute, stand_in)
        for turn in range(turns + 1):
            calls.clear()
            for name, kind in LITE.items():
                job = Job(name, kind, Path(folder) / "features", pool="mean")
                total, spent = extract(extractors[name], job, chosen)
                if turn:
                    passes[name].append(total)
                    for stage, seconds in spent.items():
                        stages[f"{name}: {stage}"].append(seconds)
            for model, seconds in replay(calls).items():
                if turn:
                    bare[model].append(seconds)
    return tell(len(chosen), passes, bare, stages, args)


def tell(clips: int, passes: Any, bare: Any, stages: Any, args: argparse.Namespace) -> TimingReport:
    """The report, from seconds of each turn."""
    total = np.sum([np.array(taken) for taken in passes.values()], axis=0)
    forwards = np.sum([np.array(taken) for taken in bare.values()], axis=0)
    shown = {name: np.array(taken) for name, taken in stages.items()}
    parts = [t for name, t in shown.items() if name.partition(": ")[2] in DECODING]
    decoding = np.sum(parts, axis=0)
    report = TimingReport("The lite pipeline", {**machine(), "clips": clips, "turns": len(total)})
    report.tables["stages"] = [
        {"stage": name, "ms a clip": 1000 * float(np.median(t)) / clips, "share": _share(t, total)}
        for name, t in shown.items()
    ]
    report.tables["bare forwards"] = [
        {"model": name, "ms a clip": 1000 * float(np.median(t)) / clips, "share": _share(t, total)}
        for name, t in ((name, np.array(taken)) for name, taken in bare.items())
    ]
    report.ratios["clips a minute, one core"] = float(60 * clips / np.median(total))
    without = Ratio.of(total - decoding, forwards)
    report.ratios["pipeline but decoding / bare forwards"] = without
    both = Ratio.of(total, forwards + decoding)
    report.ratios["pipeline / bare forwards and decoding"] = both
    return report


def _share(part: Any, total: Any) -> float:
    return float(np.median(part) / np.median(total))


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=24)
    parser.set_defaults(turns=5)
    start(measure, parser)
