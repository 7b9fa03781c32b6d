"""What finds faces in a picture: its interface, and the detectors by name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Protocol, TypeVar

from numpy.typing import NDArray

from mia_fairseq.errors import InputError

_DETECTORS: dict[str, type] = {}
_HOMES = ("preprocess.networks.retinaface_mobilenet", "preprocess.networks.retinaface_resnet50")
Detector = TypeVar("Detector", bound=type)


@dataclass(frozen=True)
class Face:
    """One found face, in pixels of the picture.

    Its box (left, top, right, bottom), five landmarks (eyes, nose, corners of the mouth; (5, 2)),
    and the detector's score in [0, 1].
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[Any]

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)


class FaceDetector(Protocol):
    """Finds faces in one picture."""

    licence: ClassVar[str]

    def detect(self, picture: NDArray[Any]) -> list[Face]:
        """Faces in a picture, RGB uint8 (height, width, 3), in any order."""
        ...


def register_detector(name: str) -> Callable[[Detector], Detector]:
    """Class decorator: make a detector known under a name."""

    def register(cls: Detector) -> Detector:
        if _DETECTORS.setdefault(name, cls) is not cls:
            raise ValueError(f"two face detectors are called {name!r}")
        return cls

    return register


def build_detector(name: str) -> FaceDetector:
    """The face detector of that name, ready to use.

    Raises:
        InputError: for an unknown name, or when what the detector needs is not there.
    """
    for module in _HOMES:
        import_module(module)
    if name not in _DETECTORS:
        raise InputError(
            f"there is no face detector called {name!r}, expected one of "
            f"{', '.join(sorted(_DETECTORS))}; mend the option"
        )
    detector: FaceDetector = _DETECTORS[name]()
    return detector
