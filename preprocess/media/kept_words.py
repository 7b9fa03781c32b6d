"""Words that were heard already, kept beside the table they are for: a rerun hears the rest."""

import json
from pathlib import Path
from types import TracebackType

from mia_fairseq.files import not_through_a_link
from preprocess.media.spoken_language import Speech

Piece = tuple[Path, float | None, float | None]  # file, start and end in seconds


class KeptWords:
    """One line of JSON a piece of sound; the file goes once the table is whole.

    A piece is known again while its file has the same size and time, for the same speech model and
    language. Whoever opens it holds `only_writer` of the table.
    """

    def __init__(self, table: Path, speech: Speech) -> None:
        """Reads what a killed run has left.

        Args:
            table: that is made.
            speech: which model hears, and in which language.
        """
        self.path = table.with_name(f".{table.name}.words")
        self._speech = [str(speech.folder or ""), speech.language]
        self._known: dict[str, str] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._read(line)

    def __enter__(self) -> "KeptWords":
        """Opens it for more."""
        self._file = open(self.path, "a", encoding="utf-8", opener=not_through_a_link)
        self._file.write("\n")  # a killed run may have left half a line
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes it, and removes it where all went well."""
        self._file.close()
        if kind is None:
            self.path.unlink(missing_ok=True)

    def find(self, piece: Piece) -> str | None:
        """The words of a piece; None where it has not been heard."""
        return self._known.get(self._key(piece))

    def keep(self, piece: Piece, words: str) -> None:
        """Puts words on the disk, where they are not yet."""
        key = self._key(piece)
        if self._known.get(key) != words:
            self._known[key] = words
            self._file.write(json.dumps([key, words]) + "\n")
            self._file.flush()

    def _read(self, line: str) -> None:
        try:
            key, words = json.loads(line)
        except ValueError:  # half a line
            return
        if isinstance(key, str) and isinstance(words, str):
            self._known[key] = words

    def _key(self, piece: Piece) -> str:
        path, start, end = piece
        status = path.stat()
        file = [str(path.resolve()), status.st_size, status.st_mtime_ns]
        return json.dumps([*self._speech, *file, start, end])
