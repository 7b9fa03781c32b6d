"""The files that visitors upload, and their end with the visit."""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)


@dataclass
class Uploads:
    """Which visit holds which files.

    Gradio names an upload's folder by its content, so two visits may hold one file; it goes with
    the last of them.

    Attributes:
        folder: where each upload lies in a folder of its own; nothing outside of it is read or
            removed.
        most: files of a visit; of more, the oldest go.
    """

    folder: Path
    most: int = 64
    _held: dict[str, list[Path]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, visit: str, file: str) -> Path:
        """The file of an upload, which is kept until the visit ends.

        Raises:
            InputError: it was not uploaded here, or is gone.
        """
        path = Path(file).resolve() if "\0" not in file else Path()
        if path.parent.parent != self.folder.resolve():
            raise InputError("the clip was not uploaded here; drop it again")
        with self._lock:
            if not path.is_file():
                raise InputError(f"{path.name}: is no longer here; drop it again")
            held = self._held.setdefault(visit, [])
            if path in held:
                held.remove(path)
            held.append(path)
            while len(held) > self.most:
                self._drop(held.pop(0))
        return path

    def leave(self, visit: str) -> None:
        """Removes the files of a visit that has ended."""
        with self._lock:
            for path in self._held.pop(visit, ()):
                self._drop(path)

    def _drop(self, path: Path) -> None:
        if any(path in held for held in self._held.values()):
            return
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError as error:  # another file of the same content and another name
            logger.debug("%s stays (%s)", path.parent, error)
        logger.info("removed %s", path.name)
