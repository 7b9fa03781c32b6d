"""What happens to a clip on the page: limits, answers, and its end with the visit."""

import logging
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.predict.predictor import Predictor
from mia_fairseq.predict.several_models import answer_all
from mia_fairseq.predict.writing.answers import ClipAnswer
from preprocess.media.clip import Clip
from preprocess.media.streams import probe

logger = logging.getLogger(__name__)
MEGABYTE = 1 << 20


@dataclass
class ClipVisits:
    """The models of the page, and the files of each visit.

    Attributes:
        models: what each tells -> the model; '' for one alone.
        folder: below which uploads lie; nothing outside of it is read or removed.
        most_seconds: of a clip.
        most_megabytes: of a clip.
    """

    models: Mapping[str, Predictor]
    folder: Path
    most_seconds: float = 120.0
    most_megabytes: float = 100.0
    _files: dict[str, set[Path]] = field(default_factory=dict)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, visit: str, file: str | None, words: str | None) -> ClipAnswer:
        """What the models say of an uploaded clip.

        Args:
            visit: whose clip it is.
            file: where it was uploaded to.
            words: what is said in it; None: as heard.

        Raises:
            InputError: there is no clip, it cannot be read, or it is beyond the limits.
        """
        if not file:
            raise InputError("there is no clip yet; drop one or record one")
        path = Path(file).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise InputError("the clip was not uploaded here; drop it again")
        with self._one_at_a_time:
            self._files.setdefault(visit, set()).add(path)
            try:
                self._check(path)
                clips = [Clip(path.name, path, words)]
                (answer,) = answer_all(self.models, clips, contributions=True)
            except InputError as error:  # a visitor knows the clip's name, not where it lies
                raise InputError(str(error).replace(str(path), path.name)) from error
        return answer

    def _check(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"{path.name}: is no longer here; drop it again")
        size = path.stat().st_size / MEGABYTE
        if size > self.most_megabytes:
            raise InputError(
                f"{path.name}: has {size:.0f} MB, this page takes {self.most_megabytes:g}; cut it"
            )
        seconds = probe(path).duration
        if seconds > self.most_seconds:
            raise InputError(
                f"{path.name}: lasts {seconds:.0f} s, this page takes {self.most_seconds:g}; cut it"
            )

    def leave(self, visit: str) -> None:
        """Removes the files of a visit that has ended."""
        for path in self._files.pop(visit, ()):
            shutil.rmtree(path.parent, ignore_errors=True)  # each upload has a folder of its own
            logger.info("removed %s", path.name)
