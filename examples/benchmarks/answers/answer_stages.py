"""The process that `folder_answers` measures; it imports no torch by itself.

    python -m examples.benchmarks.answers.answer_stages watch CALLS STAGES.json ARGUMENTS...
    python -m examples.benchmarks.answers.answer_stages bare CALLS BARE.json

``watch`` answers as ``python -m mia_fairseq.predict ARGUMENTS`` does, tells the CPU seconds of each
stage, and keeps what each model was called with. ``bare`` loads the same models by their own
libraries and makes the same calls, in the same order, and nothing else: what no program could do
without.
"""

import builtins
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.benchmarks.answers.model_calls import (
    WHISPER,
    Calls,
    KeptSession,
    KeptWhisper,
    model_of,
)

START, DECODE, SPEECH, WORDS, FACES = "start-up", "decode", "speech", "words' models", "faces"
WRITE, REST = "table and picture", "the rest"
LOAD = "load"  # of the bare process: libraries and models


class Stages:
    """CPU seconds by stage; what happens within an inner stage counts there alone."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._open, self._since = [START], 0.0  # from the process's own start

    def _switch(self) -> None:
        now = time.process_time()
        self.spent[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Within it, time is of that stage; what the picture needs to start is the picture's."""
        self._switch()
        name = WRITE if WRITE in self._open else name
        self._open.append(name)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def watch(self, owner: Any, attribute: str, name: str) -> None:
        """Makes a function's time a stage's."""
        function = getattr(owner, attribute)

        def watched(*given: Any, **named: Any) -> Any:
            with self.stage(name):
                return function(*given, **named)

        setattr(owner, attribute, watched)

    def watch_each(self, owner: Any, attribute: str, name: str) -> None:
        """The same of a function that yields."""
        function = getattr(owner, attribute)

        def watched(*given: Any, **named: Any) -> Iterator[Any]:
            found = function(*given, **named)
            while True:
                with self.stage(name):
                    one = next(found, None)
                if one is None:
                    return
                yield one

        setattr(owner, attribute, watched)


def watch(stages: Stages, calls: Calls) -> Callable[..., None]:
    """``predict``'s main, watched."""
    stages.watch(builtins, "__import__", START)
    import onnxruntime

    import mia_fairseq.predict.__main__ as command
    from mia_fairseq.predict import faces_found, several_models
    from mia_fairseq.predict.predictor import Predictor
    from preprocess.faces import face_detection
    from preprocess.media import clip_sound, speech_words

    session, whisper = onnxruntime.InferenceSession, speech_words.whisper

    def kept_session(path: str, *given: Any, **named: Any) -> KeptSession:
        return KeptSession(session(path, *given, **named), model_of(path), path, calls)

    def kept_whisper(*given: Any, **named: Any) -> Any:
        model = whisper(*given, **named)
        if not isinstance(model.model, KeptWhisper):
            model.model = KeptWhisper(model.model, calls)
        return model

    onnxruntime.InferenceSession = kept_session
    speech_words.whisper = kept_whisper
    for owner, attribute, name in (
        (onnxruntime, "InferenceSession", START),
        (speech_words, "whisper", START),
        (several_models, "load_all", START),
        (faces_found, "face_detector", START),
        (clip_sound, "read_clip", DECODE),
        (face_detection, "frame_times", DECODE),
        (speech_words, "transcribe", SPEECH),
        (Predictor, "predict_clips", WORDS),
        (face_detection, "face_share", FACES),
        (command, "write_answers", WRITE),
    ):
        stages.watch(owner, attribute, name)
    stages.watch_each(face_detection, "iter_frames", DECODE)
    return command.main


def bare(path: Path) -> dict[str, float]:
    """CPU seconds of loading models and tokenizers by their libraries, and of the calls."""
    import av  # noqa: F401 - no clip is decoded without it
    import ctranslate2
    import cv2  # noqa: F401 - and no picture scaled
    import onnxruntime
    from tokenizers import Tokenizer

    from mia_fairseq.pretrained.model_store import cache_folder

    read = time.process_time()
    found = Calls.read(path)
    read = time.process_time() - read  # is no part of it
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for name in ("whisper", "minilm"):
        Tokenizer.from_file(str(cache_folder() / "models" / name / "tokenizer.json"))
    models: dict[str, Any] = {}
    for call, _ in found:
        file = call.get("path", WHISPER)
        if file in models:
            continue
        if file == WHISPER:
            folder = str(cache_folder() / "models" / "whisper")
            models[file] = ctranslate2.models.Whisper(
                folder, compute_type="float32", intra_threads=1
            )
        else:
            models[file] = onnxruntime.InferenceSession(
                file, options, providers=["CPUExecutionProvider"]
            )
    spent: dict[str, float] = defaultdict(float)
    spent[LOAD] = time.process_time() - read
    for call, arrays in found:
        begun = time.process_time()
        if call["model"] == WHISPER:
            mel = ctranslate2.StorageView.from_array(arrays["mel"])
            models[WHISPER].generate(mel, call["prompts"], **call["how"])
        else:
            models[call["path"]].run(call["outputs"], arrays)
        spent[call["model"]] += time.process_time() - begun
    return dict(spent)


def main(argv: list[str]) -> None:
    """Watches, or makes the bare calls."""
    what, calls_file, out, *given = argv
    if what == "bare":
        spent = bare(Path(calls_file))
    else:
        stages, calls = Stages(), Calls()
        answer = watch(stages, calls)
        with stages.stage(REST):
            answer(given)
        spent = dict(stages.spent)
        calls.write(Path(calls_file))
    Path(out).write_text(json.dumps(spent))


if __name__ == "__main__":
    main(sys.argv[1:])
