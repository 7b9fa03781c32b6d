"""In how many of a clip's keyframes a face is found, where no model's extractor tells it anyway."""

import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mia_fairseq.errors import reason_of
from mia_fairseq.predict.writing.answers import Prediction

if TYPE_CHECKING:
    from preprocess.media.clip import Clip
    from preprocess.networks.face_detector import FaceDetector

logger = logging.getLogger(__name__)

KEYFRAMES, DETECTOR = "2/s", "mobilenet"  # as the extractor face_expression has them


def add_faces(clips: Sequence["Clip"], by_model: Sequence[Sequence[Prediction]]) -> None:
    """Puts ``faces`` into the predictions of clips; what a model found already is taken as it is.

    A clip without pictures, such as plain sound, or whose pictures cannot be read, gets none.

    Args:
        clips: of what.
        by_model: of each model its predictions of the clips, which are changed.
    """
    for clip, predictions in zip(clips, zip(*by_model, strict=True), strict=True):
        found = next((one.faces for one in predictions if one.faces is not None), None)
        if found is None:
            found = _share(clip)
        for one in predictions:
            one.faces = found


def _share(clip: "Clip") -> float | None:
    from preprocess.faces.face_detection import face_share
    from preprocess.faces.keyframes import KeyframeRule

    if clip.path is None:
        return None
    rule = KeyframeRule.parse(KEYFRAMES)
    try:
        return face_share(clip.path, rule, face_detector(), start=clip.start, end=clip.end)
    except Exception as error:  # whatever a decoder makes of a bad file
        # Its words, or a model, tell what ails it.
        logger.info("%s: no faces: %s", clip.id, reason_of(error))
        return None


@functools.lru_cache(maxsize=1)
def face_detector() -> "FaceDetector":
    """The detector of faces where no model names one; built once."""
    from preprocess.networks.face_detector import build_detector

    return build_detector(DETECTOR)
