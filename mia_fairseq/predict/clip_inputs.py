"""What a checkpoint's model reads, made of clips nobody prepared.

The checkpoint names the extractor of each modality with its options, and the hash of what made
its tokens; the same extractors run here.
"""

import inspect
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.predict.cut_clips import CutClips

if TYPE_CHECKING:
    from preprocess.extraction.worker import Extractors, Job
    from preprocess.extractors.base import Clip, Extractor
    from preprocess.faces.face_detection import ClipFaces

logger = logging.getLogger(__name__)

Options = Mapping[str, Mapping[str, str]]  # of extractors, by modality


class ClipInputs:
    """The extractors of a checkpoint.

    Args:
        schema: of the checkpoint.
        checkpoint: its path, for messages.
        options: of the user, instead of those that the checkpoint names: where files lie now.
        allowed: extractors outside this project, ``module:Class``, that may be imported although it
            is the checkpoint that names them.
        device: for extractors that can run elsewhere than on the processor.

    Raises:
        InputError: an option is of a modality that the checkpoint does not have.
    """

    def __init__(
        self,
        schema: Schema,
        checkpoint: Path,
        options: Options | None = None,
        allowed: Collection[str] = (),
        device: str = "cpu",
    ) -> None:
        self.schema, self.checkpoint, self.options = schema, checkpoint, dict(options or {})
        self.allowed, self.device = allowed, device
        self._kept: Extractors = {}  # from one call to the next
        self._cut = CutClips()
        for name in self.options:
            if name not in schema.stored:
                raise InputError(
                    f"--option {name}: {checkpoint} reads {', '.join(schema.stored)}; name one"
                )

    @property
    def made(self) -> tuple[str, ...]:
        """The modalities that are made of a clip: all but contexts, for it has no neighbours."""
        return tuple(name for name in self.schema.inputs if name not in self.schema.contexts)

    def share_extractors(self, other: "ClipInputs") -> None:
        """Lets an extractor that both need be built once, and a clip that is cut be told once."""
        self._kept, self._cut = other._kept, other._cut

    @property
    def reads_words(self) -> bool:
        """Whether some modality is made of the words."""
        return bool(self.made_of_words)

    @property
    def made_of_words(self) -> tuple[str, ...]:
        """The modalities that are."""
        return tuple(name for name in self.made if self._extractor(name).modality == "text")

    def read(
        self, clips: Sequence["Clip"], only: Collection[str] | None = None
    ) -> tuple[dict[str, list[NDArray[Any]]], list[dict[str, str]]]:
        """Each clip's arrays by modality, and for each clip why some are missing.

        Args:
            clips: of what.
            only: the modalities that are wanted; None: all.

        Returns:
            {modality: one (T, *item) a clip, T = 0 where it is missing, at most the positions of
            its encoder}, and {modality: reason} a clip.

        Raises:
            InputError: an extractor is not here, or makes something else than it did in training.
        """
        arrays: dict[str, list[NDArray[Any]]] = {}
        missing: list[dict[str, str]] = [{} for _ in clips]
        for name in self.schema.inputs:
            if only is not None and name not in only:
                continue
            spec = self.schema.modalities[name]
            if name not in self.made:
                arrays[name] = [spec.absent()] * len(clips)
                continue
            arrays[name] = self._extract(name, spec, clips, missing)
            limit = self.schema.limits.get(name)
            if limit is not None:
                arrays[name] = self._cut.cut(name, arrays[name], clips, limit)
        return arrays, missing

    def face_share(self, clip: "Clip") -> float | None:
        """The share of a read clip's keyframes with a face; None where no extractor looks."""
        shares = (getattr(extractor, "shares", {}) for extractor in self._kept.values())
        return next((known[clip] for known in shares if clip in known), None)

    def _extract(
        self, name: str, spec: ModalitySpec, clips: Sequence["Clip"], missing: list[dict[str, str]]
    ) -> list[NDArray[Any]]:
        from preprocess.extraction.worker import compute
        from preprocess.extractors.base import Failure

        job = self._job(name, spec)
        if spec.kind == "tokens" or name in self.options:
            self._check_same(name, spec, job)
        arrays, computed = [], compute(job, clips, self._kept)
        notes = dict(computed.notes)
        self._cut.tell(name, computed.notes)
        for place, array in enumerate(computed.arrays):
            if isinstance(array, Failure):
                missing[place][name] = array.reason
                array = spec.absent()
            elif not len(array):
                missing[place][name] = notes.get(clips[place].id, "there is nothing in it")
            elif array.shape[1:] != spec.item_shape:
                raise InputError(
                    f"{spec.extractor} gives {array.shape[1:]} a moment for {name}, the checkpoint "
                    f"was trained on {spec.item_shape}; install the extractor's version of then"
                )
            if name in missing[place] and self._extractor(name).modality == "text":
                missing[place][name] = clips[place].unheard or missing[place][name]
            arrays.append(array)
        return arrays

    def _job(self, name: str, spec: ModalitySpec) -> "Job":
        from preprocess.extraction.worker import Job

        options = {**spec.extra.get("options", {}), **self.options.get(name, {})}
        if self._has_device(self._extractor(name)):
            options.setdefault("device", self.device)
        return Job(
            name,
            spec.extractor,
            Path(),
            tuple(sorted(options.items())),
            str(spec.extra.get("pool", "none")),
            str(spec.extra.get("dtype", "float32")),
        )

    def faces(self, clip: "Clip") -> "ClipFaces | None":
        """The faces of a clip that the model reads; None where it reads none.

        Raises:
            InputError: the clip cannot be read.
        """
        seen = [name for name in self.made if self._extractor(name).modality == "video"]
        if not seen:
            return None
        from preprocess.extraction.worker import extractor_of
        from preprocess.extractors.face_sequence import FaceSequenceExtractor

        for name in seen:
            extractor = extractor_of(self._job(name, self.schema.modalities[name]), self._kept)
            if isinstance(extractor, FaceSequenceExtractor):
                return extractor.faces(clip)
        return None

    def _has_device(self, extractor: type["Extractor"]) -> bool:
        """Whether an extractor is to be told where to run: elsewhere than on the processor."""
        if self.device == "cpu" or "device" not in inspect.signature(extractor.__init__).parameters:
            return False
        if extractor.runs_on(self.device):
            return True
        logger.warning("%s runs on the processor: it has no %s here", extractor.name, self.device)
        return False

    def _extractor(self, modality: str) -> type["Extractor"]:
        from preprocess.extractors.base import find_extractor

        extractor = self.schema.modalities[modality].extractor
        if ":" in extractor and extractor not in self.allowed:
            raise InputError(
                f"{self.checkpoint}: its {modality} features were made by {extractor}, code from "
                f"outside that only you can vouch for; add --extractor {extractor} if you do"
            )
        try:
            return find_extractor(extractor)
        except InputError as error:
            raise InputError(
                f"{self.checkpoint}: its {modality} features were made by {extractor!r}, which is "
                "no extractor here, so clips cannot be predicted; predict a split of a DATA folder"
            ) from error

    def _check_same(self, name: str, spec: ModalitySpec, job: "Job") -> None:
        """Raises `InputError` where the extractor is made of other files than in training."""
        from preprocess.extraction.worker import describe

        here = describe(job, self._kept)
        hashes = [key for key in spec.extra if key == "tokenizer" or key.endswith("_sha256")]
        for key in ("dim", *hashes):
            then = spec.dim if key == "dim" else spec.extra[key]
            if here.get(key) != then:
                raise InputError(
                    f"{self.checkpoint}: its {name} was made by {spec.extractor} with {key} "
                    f"{then!r}, here it has {here.get(key)!r}; say where the files of then are "
                    f"(--option {name}.KEY=VALUE)"
                )
