"""What the video extractors share: keyframes, faces and crops of a clip, then one vector a face.

Options, all given as strings:

- `keyframes`: `average` (of the corpus's frame counts, as in the paper), a count such as `16`, or
  a rate such as `2/s`.
- `detector`: `mobilenet`, `retina-face` or `retinaface-pytorch` (see faces/face_detection.py).
- `margin`: how much of the face's size is added on each edge of its crop.
- `align`: `yes` turns each crop so that the eyes lie on a level.
"""

import abc
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from preprocess.extractors.base import Clip, Extractor, Failure
from preprocess.faces.face_detection import ClipFaces, clip_faces
from preprocess.faces.keyframes import KeyframeRule
from preprocess.media.video_frames import frame_times
from preprocess.networks.face_detector import build_detector


class FaceSequenceExtractor(Extractor):
    """One vector, or crop, for each keyframe that shows a face, in order of time.

    A clip is encoded by itself, never in a batch with others, so that its features do not depend
    on its neighbours. A clip without pictures or without a face in any keyframe is a `Failure`.
    """

    modality = "video"
    columns = ("path",)
    size: int  # pixels of a crop's side

    def __init__(self, keyframes: str, detector: str, margin: str, align: str) -> None:
        self.rule = KeyframeRule.parse(keyframes)
        if self.rule.needs_average:
            raise InputError(
                f"{self.name}: keyframes=average depends on the whole corpus, which is not known "
                "here; give a count such as keyframes=16 or a rate such as keyframes=2/s"
            )
        self.detector_name = detector
        self.detector = build_detector(detector)
        self.margin = _share(margin)
        if align not in ("yes", "no"):
            raise InputError(f"align={align!r} is neither yes nor no; mend the option")
        self.align = align == "yes"
        self.rate = self.rule.per_second
        self.shares: dict[Clip, float] = {}  # of each clip's keyframes, those with a face
        self.counts = {"keyframes": 0, "without a face": 0, "with several faces": 0}

    @abc.abstractmethod
    def encode(self, crops: NDArray[np.uint8]) -> NDArray[Any]:
        """Faces (T, size, size, 3), RGB uint8, T >= 1, to what the extractor gives of them."""

    @classmethod
    def settle_options(cls, options: Mapping[str, str], clips: Iterable[Clip]) -> dict[str, str]:
        """The options with `keyframes=average` turned into a count, from all clips of a corpus.

        Counts each clip's frames without decoding them. Clips that cannot be read do not count
        here; `extract` reports them. Other options come back as they are.
        """
        default = inspect.signature(cls).parameters["keyframes"].default
        rule = KeyframeRule.parse(options.get("keyframes", default))
        if not rule.needs_average:
            return dict(options)
        return {**options, "keyframes": str(rule.with_average(map(_frame_count, clips)))}

    def faces(self, clip: Clip) -> ClipFaces:
        """The faces that `extract` encodes, to be looked at.

        Raises:
            InputError: the clip cannot be read, or has no face.
        """
        if clip.path is None:
            raise InputError(f"clip {clip.id} has no media file, which video needs; give its path")
        return clip_faces(
            clip.path,
            self.rule,
            self.detector,
            size=self.size,
            margin=self.margin,
            align=self.align,
            start=clip.start,
            end=clip.end,
            stage=self.stage,
        )

    def extract(self, clips: Sequence[Clip]) -> list[NDArray[Any] | Failure]:
        """Per clip what `encode` gives, T the keyframes with a face, or the reason for none."""
        return [self._extract_one(clip) for clip in clips]

    def _extract_one(self, clip: Clip) -> NDArray[Any] | Failure:
        try:
            faces = self.faces(clip)
        except InputError as error:
            return Failure(str(error))
        self.counts["keyframes"] += faces.keyframes
        self.counts["without a face"] += faces.without_face
        self.counts["with several faces"] += faces.several
        self.shares[clip] = len(faces.crops) / faces.keyframes
        if not len(faces.crops):
            return Failure(f"{clip.path}: no face in any of its {faces.keyframes} keyframes")
        if faces.without_face:
            self.note(clip, f"{faces.without_face} of {faces.keyframes} keyframes without a face")
        if faces.several:
            self.note(clip, f"{faces.several} of {faces.keyframes} keyframes with several faces")
        with self.stage("encode faces"):
            return self.encode(faces.crops)

    def describe(self) -> dict[str, object]:
        return {
            **super().describe(),
            "keyframes": str(self.rule),
            "detector": self.detector_name,
            "detector_licence": self.detector.licence,
            "margin": self.margin,
            **({"align": True} if self.align else {}),
        }


def _frame_count(clip: Clip) -> int:
    if clip.path is None:
        return 0
    try:
        return len(frame_times(clip.path, clip.start, clip.end))
    except InputError:
        return 0


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise InputError(f"margin={text!r} is no number from 0 to 2; mend the option")
    return value
