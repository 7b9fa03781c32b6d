"""What happens to clips on the page: limits, answers, faces, and their end with the visit."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.predict.faces_found import face_detector
from mia_fairseq.predict.predictor import Predictor
from mia_fairseq.predict.several_models import answer_all
from mia_fairseq.predict.windows import LONGEST, cut_at_pauses
from mia_fairseq.predict.writing.answers import ClipAnswer
from mia_fairseq.serve.limits import Limits
from mia_fairseq.serve.uploads import Uploads
from preprocess.faces.boxed_keyframes import BoxedKeyframe, boxed_keyframes
from preprocess.faces.face_detection import ClipFaces, clip_faces
from preprocess.faces.keyframes import KeyframeRule
from preprocess.media.clip import Clip

NO_CLIP = "there is no clip yet; drop one or record one"
SHOWN, SIDE = 8, 320  # keyframes, and pixels of their longer side
WEIGHED = 100  # words up to which each is weighed


@dataclass
class Told:
    """What is said of a clip.

    Attributes:
        path: of the clip.
        answer: on the whole of it.
        course: on each stretch of speech, of a long clip; empty of a short one.
        faces: keyframes with the faces that the models read; None where they read none.
    """

    path: Path
    answer: ClipAnswer
    course: list[ClipAnswer] = field(default_factory=list)
    faces: list[BoxedKeyframe] | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer, and the course where there is one."""
        course = {"course": [one.to_json() for one in self.course]} if self.course else {}
        return {**self.answer.to_json(), **course}


@dataclass
class ClipVisits:
    """The models of the page, and the files of each visit.

    Attributes:
        models: what each tells -> the model; '' for one alone.
        uploads: of the visitors.
        limits: of what they may ask.
    """

    models: Mapping[str, Predictor]
    uploads: Uploads
    limits: Limits = field(default_factory=Limits)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, visit: str, files: Sequence[str], words: str | None) -> list[Told]:
        """What the models say of an uploaded clip, or of several that make a dialogue.

        Args:
            visit: whose they are.
            files: where they were uploaded to.
            words: what is said in the clip, or a line a clip; None: as heard.

        Raises:
            InputError: there is no clip, one cannot be read or is beyond the limits, or the lines
                of words are not as many as the clips.
        """
        with self._given(visit, files) as paths:
            lines = self._lines(words, paths)
            lengths = [self.limits.check(path) for path in paths]
            if len(paths) > 1:
                return self._dialogue(paths, lines)
            return [self._clip(paths[0], lines[0], long=lengths[0] > LONGEST)]

    def faces(self, visit: str, files: Sequence[str]) -> list[BoxedKeyframe]:
        """Keyframes of an uploaded clip with the largest face boxed.

        Args:
            visit: whose it is.
            files: where it was uploaded to; of several, the first is looked at.

        Raises:
            InputError: there is no clip, it cannot be read, or shows no face.
        """
        with self._given(visit, files) as paths:
            self.limits.check(paths[0])
            clip = Clip(paths[0].name, paths[0])
            found = self._read_faces(clip)
            if found is None:
                found = clip_faces(
                    paths[0],
                    KeyframeRule(count=SHOWN),
                    face_detector(),
                    size=1,
                    margin=0.0,
                )
            if not len(found.indices):
                raise InputError(
                    f"{paths[0].name}: shows no face in {found.keyframes} keyframes; "
                    "take one that does"
                )
            return boxed_keyframes(paths[0], found, most=SHOWN, side=SIDE)

    @contextlib.contextmanager
    def _given(self, visit: str, files: Sequence[str]) -> Iterator[list[Path]]:
        """The files, while nobody else is answered; errors name them without their folders."""
        if not files:
            raise InputError(NO_CLIP)
        self.limits.check_number(files)
        paths = [self.uploads.hold(visit, file) for file in files]
        with self._one_at_a_time:
            try:
                yield paths
            except InputError as error:  # a visitor knows a clip's name, not where it lies
                raise InputError(_named(str(error), paths)) from error

    def _lines(self, words: str | None, paths: Sequence[Path]) -> list[str | None]:
        """The words of each clip; None: as heard."""
        if words is None:
            return [None] * len(paths)
        self.limits.check_words(words)
        words = words.encode(errors="replace").decode()
        if len(paths) == 1:
            return [words]
        lines: list[str | None] = [*words.split("\n")]
        while len(lines) > len(paths) and not lines[-1]:
            lines.pop()
        if len(lines) != len(paths):
            raise InputError(
                f"the words are {len(lines)} lines and there are {len(paths)} clips; "
                "write a line a clip, empty where nobody speaks"
            )
        return lines

    def _clip(self, path: Path, words: str | None, *, long: bool) -> Told:
        clip = Clip(path.name, path, words)
        course: list[ClipAnswer] = []
        if long and clip.text is None:
            stretches = cut_at_pauses([clip])
            if len(stretches) > 1:
                course = self._answers(stretches)
                clip = replace(clip, text=" ".join(one.text or "" for one in course))
        weighed = clip.text is None or len(clip.text.split()) <= WEIGHED
        (answer,) = self._answers([clip], contributions=weighed)
        return Told(path, answer, course, self._faces_of_models(clip, path))

    def _dialogue(self, paths: Sequence[Path], lines: Sequence[str | None]) -> list[Told]:
        clips = [
            Clip(path.name, path, line, group="dialogue", position=place)
            for place, (path, line) in enumerate(zip(paths, lines, strict=True))
        ]
        return [Told(path, one) for path, one in zip(paths, self._answers(clips), strict=True)]

    def _answers(self, clips: Sequence[Clip], *, contributions: bool = False) -> list[ClipAnswer]:
        answers = answer_all(self.models, clips, contributions=contributions)
        paths = [clip.path for clip in clips if clip.path is not None]
        for answer in answers:
            for told in answer.by_model.values():
                told.reason = _named(told.reason, paths)
                told.missing = {name: _named(why, paths) for name, why in told.missing.items()}
        return answers

    def _faces_of_models(self, clip: Clip, path: Path) -> list[BoxedKeyframe] | None:
        """Keyframes with the faces that the models read; None where they read none."""
        try:
            found = self._read_faces(clip)
        except InputError:  # the answer tells already that the modality is missing, and why
            return []
        return None if found is None else boxed_keyframes(path, found, most=SHOWN, side=SIDE)

    def _read_faces(self, clip: Clip) -> ClipFaces | None:
        """The faces that the first model that reads any reads."""
        for model in self.models.values():
            found = model.inputs.faces(clip)
            if found is not None:
                return found
        return None


def _named(sentence: str, paths: Sequence[Path]) -> str:
    for path in paths:
        sentence = sentence.replace(str(path), path.name)
    return sentence
