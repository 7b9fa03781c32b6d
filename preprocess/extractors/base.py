"""What an extractor is, and how one is found by its name.

An extractor turns clips into arrays of shape (T, dim): T vectors in time (tokens, audio frames,
keyframes), dim numbers each. One whose ``kind`` is ``tokens`` or ``frames`` leaves that to an
encoder of the model and gives what the encoder reads: ids (T,) or pictures (T, dim, dim, 3). One
subclass a file; a decorator gives it its name:

    @register_extractor("minilm")
    class MiniLM(Extractor): ...

Outside this repository: name one as ``module:Class``, or install a package with an entry point in
the group ``mia_fairseq.extractors``.
"""

import abc
import contextlib
import importlib
import inspect
import pkgutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar, TypeVar

from numpy.typing import NDArray

from mia_fairseq.data.views.cut_rows import DIVIDE
from mia_fairseq.errors import InputError
from preprocess.media.clip import Clip as Clip

ENTRY_POINT_GROUP = "mia_fairseq.extractors"
MODALITIES = ("text", "audio", "video")
CUT = "cut from"  # in what is noted of a clip
NOT_STATED = "not stated"  # a licence


@dataclass(frozen=True)
class Failure:
    """Why a clip gave nothing: listed and counted, never dropped in silence."""

    reason: str  # one sentence


class Extractor(abc.ABC):
    """Turns clips into feature arrays.

    The same clip must give the same bits whatever other clips share its batch: resuming and
    sharding rely on it.
    """

    modality: ClassVar[str]  # "text" | "audio" | "video"
    kind: ClassVar[str] = "features"  # a name of mia_fairseq.data.format.kinds.KINDS
    licence: ClassVar[str] = NOT_STATED
    columns: ClassVar[tuple[str, ...]] = ()  # of the manifest, that it cannot do without
    dim: int  # numbers a vector, ids of tokens, pixels of a side; of the class, or of __init__
    rate: float | None = None  # vectors a second of a sequence output, None: no fixed rate
    name: str = ""  # as registered, or as the user named it

    def __init__(self, **options: str) -> None:  # noqa: B027 - nothing to do by default
        """Subclasses name their options as keyword arguments, all strings (``--option``)."""

    @classmethod
    def settle_options(cls, options: Mapping[str, str], clips: Iterable[Clip]) -> dict[str, str]:
        """The options with what depends on the whole corpus filled in, such as an average.

        Args:
            options: as the user gave them.
            clips: all clips of the corpus, not a shard's.
        """
        return dict(options)

    @classmethod
    def runs_on(cls, device: str) -> bool:
        """Whether ``device`` as torch calls it may be given, to one that has such an option."""
        return True

    @abc.abstractmethod
    def extract(self, clips: Sequence[Clip]) -> list[NDArray[Any] | Failure]:
        """One entry a clip, in order: an array of T >= 0 items, or why there is none.

        It is float32 (T, dim); int32 (T,) where the kind is tokens; uint8 (T, dim, dim, 3) where it
        is frames.
        """

    def describe(self) -> dict[str, object]:
        """What ``meta.json`` tells of these features; subclasses add the hash of their model.

        Those of tokens add ``pad``, ``dictionary`` and ``tokenizer`` (see `ModalitySpec`).
        """
        return {
            "extractor": self.name or f"{type(self).__module__}:{type(self).__qualname__}",
            "dim": self.dim,
            "rate": self.rate,
            "licence": self.licence,
            **({} if self.kind == "features" else {"kind": self.kind}),
        }

    def dictionary_text(self) -> str:
        """The text of the tokens' dictionary (see `mia_fairseq.data.format.dictionary`)."""
        raise NotImplementedError(f"{type(self).__name__} has tokens and must have a dictionary")

    def note(self, clip: Clip, remark: str) -> None:
        """Put on record what was done to a clip that still gave features (say, cut short)."""
        self.__dict__.setdefault("_notes", []).append((clip.id, remark))

    def note_cut(self, clip: Clip, what: str, whole: int, kept: int) -> None:
        """Put on record that a clip is longer than its encoder reads, and what to do."""
        self.note(clip, f"{what} {CUT} {whole} to {kept} tokens; {DIVIDE}")

    def take_notes(self) -> list[tuple[str, str]]:
        """The (clip id, remark) pairs since the last call."""
        notes: list[tuple[str, str]] = self.__dict__.pop("_notes", [])
        return notes

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside as one stage of the work (decode, encode, ...)."""
        start = time.perf_counter()
        try:
            yield
        finally:
            stages = self.__dict__.setdefault("_stages", {})
            stages[name] = stages.get(name, 0.0) + time.perf_counter() - start

    def take_stages(self) -> dict[str, float]:
        """Seconds by stage since the last call."""
        stages: dict[str, float] = self.__dict__.pop("_stages", {})
        return stages


EXTRACTORS: dict[str, type[Extractor]] = {}
_Class = TypeVar("_Class", bound=type[Extractor])


def register_extractor(name: str) -> Callable[[_Class], _Class]:
    """Class decorator: the extractor answers to ``name`` on the command line."""

    def register(extractor: _Class) -> _Class:
        taken = EXTRACTORS.get(name)
        if taken is not None and taken.__qualname__ != extractor.__qualname__:
            raise ValueError(f"extractor {name!r} is already {taken.__module__}.{taken.__name__}")
        EXTRACTORS[name] = extractor
        extractor.name = name
        return extractor

    return register


def discover() -> dict[str, type[Extractor]]:
    """Import every module of this package once, so that its extractors register themselves.

    Heavy libraries are imported by the extractors' ``__init__``, so this stays cheap.
    """
    package = importlib.import_module(__package__ or "preprocess.extractors")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return EXTRACTORS


def build_extractor(name: str, options: Mapping[str, str] | None = None) -> Extractor:
    """The extractor called ``name``: a registered one, ``module:Class``, or an entry point.

    Raises:
        InputError: there is none of that name, or it does not know an option.
    """
    kind = find_extractor(name)
    options = dict(options or {})
    known = _option_names(kind)
    unknown = sorted(set(options) - known) if known is not None else []
    if unknown:
        raise InputError(
            f"extractor {name} has no option {unknown[0]!r}; "
            f"it knows {', '.join(sorted(known or ())) or 'none'}"
        )
    extractor = kind(**options)
    if not extractor.name:
        extractor.name = name
    return extractor


def find_extractor(name: str) -> type[Extractor]:
    """The class that ``name`` means: registered, ``module:Class``, or an installed entry point."""
    if ":" in name:
        return _import_class(name)
    if name not in discover():
        for entry in entry_points(group=ENTRY_POINT_GROUP):
            if entry.name == name:
                return _checked(entry.load(), name)
        installed = [entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)]
        known = ", ".join(sorted({*EXTRACTORS, *installed}))
        raise InputError(
            f"no extractor is called {name!r}; there are {known}, "
            "or name a class of your own as module:Class"
        )
    return EXTRACTORS[name]


def _import_class(name: str) -> type[Extractor]:
    module_name, _, class_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        raise InputError(f"extractor {name}: {error}; check the module and PYTHONPATH") from error
    except AttributeError as error:
        raise InputError(f"extractor {name}: {module_name} has no {class_name!r}") from error
    return _checked(found, name)


def _checked(found: object, name: str) -> type[Extractor]:
    if not (isinstance(found, type) and issubclass(found, Extractor)):
        raise InputError(
            f"extractor {name} is {found!r}; it must be a subclass of "
            "preprocess.extractors.base.Extractor"
        )
    return found


def _option_names(kind: type[Extractor]) -> set[str] | None:
    """The options a class knows, or None where it takes any."""
    if kind.__init__ is Extractor.__init__:
        return set()
    parameters = list(inspect.signature(kind).parameters.values())
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}
