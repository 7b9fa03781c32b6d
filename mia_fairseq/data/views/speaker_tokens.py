"""Who speaks, in the tokens of an encoder's dictionary: ``ross :`` or, as a role, ``1 :``.

The dictionary that lies beside token data is enough, no tokenizer is needed: a name is cut into the
longest pieces that the dictionary has, as WordPiece does it (Schuster and Nakajima 2012).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError

SPEAKERS = ("none", "names", "roles")
INSIDE, BEFORE = "##", "Ġ"  # how WordPiece marks what goes on, and byte pairs what a word begins


class SpeakerTokens:
    """Names and roles as token ids.

    Args:
        symbols: of a ``transformers`` dictionary, in the order of ids.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.ids: Mapping[str, int] = {symbol: number for number, symbol in enumerate(symbols)}
        self.pieces = any(symbol.startswith(INSIDE) for symbol in self.ids)

    @classmethod
    def read(cls, path: Path, kind: str) -> "SpeakerTokens":
        """Reads a dictionary.

        Raises:
            InputError: it is not of transformers, or has no colon.
        """
        if kind != "transformers":
            raise InputError(
                f"--speakers needs words in the dictionary, {path} is a {kind} one, of numbers; "
                "use an encoder of transformers, or --speakers none"
            )
        lines = path.read_text(encoding="utf-8").split("\n")
        found = cls([line.rpartition(" ")[0] for line in lines if line.strip()])
        if ":" not in found.ids:
            raise InputError(f"{path}: has no token ':', which --speakers puts behind a name")
        return found

    def of_name(self, name: str | None) -> NDArray[np.int64]:
        """The ids of a name and a colon; none where nobody is named."""
        words = re.findall(r"\w+", name or "")
        ids = [piece for word in words for piece in self._word(word)]
        return np.array([*ids, self.ids[":"]] if ids else [], np.int64)

    def of_role(self, number: int) -> NDArray[np.int64]:
        """The ids of a role, 0 for who speaks first: ``1 :``."""
        return self.of_name(str(number + 1))

    def _word(self, word: str) -> list[int]:
        for written in (word, word.lower()):
            ids: list[int] = []
            rest, first = written, True
            while rest:
                for end in range(len(rest), 0, -1):
                    known = self.ids.get(self._symbol(rest[:end], first=first))
                    if known is not None:
                        break
                else:
                    break
                ids, rest, first = [*ids, known], rest[end:], False
            if not rest:
                return ids
        return []

    def _symbol(self, text: str, *, first: bool) -> str:
        if self.pieces:
            return text if first else INSIDE + text
        return BEFORE + text if first and BEFORE + text in self.ids else text
