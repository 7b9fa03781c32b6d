"""The dictionary of a token modality: ``dict.{modality}.txt``, one symbol and its count a line.

The format is that of fairseq's `Dictionary`, with lines in the order of ids. A ``fairseq`` one
leaves out the four special symbols that `Dictionary` puts in front by itself, so line i is id
i + 4; a ``transformers`` one has every token of the tokenizer, so line i is id i.
"""

from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.errors import InputError

DICTIONARIES = {"fairseq": 4, "transformers": 0}  # ids in front of the first line


def dictionary_path(folder: Path, modality: str) -> Path:
    """Where a DATA folder keeps a modality's dictionary."""
    return folder / f"dict.{modality}.txt"


def format_dictionary(symbols: Sequence[str]) -> str:
    """The file's text, of all symbols in the order of ids (those that a line stands for)."""
    flat = (symbol.replace("\n", "\\n").replace("\r", "\\r") for symbol in symbols)
    return "".join(f"{symbol} 1\n" for symbol in flat)


def check_dictionary(path: Path, dictionary: str, dim: int) -> None:
    """Checks that there is a dictionary and that it has ``dim`` ids.

    Args:
        path: of the DATA folder's dictionary, for errors.
        dictionary: which library's numbers it has.
        dim: of the modality.

    Raises:
        InputError: it is missing, or of another size.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: is missing, the dictionary of this modality's tokens; make the data again"
        ) from error
    known = len([line for line in lines if line.strip()]) + DICTIONARIES[dictionary]
    if known != dim:
        raise InputError(
            f"{path}: has {known} ids (as a {dictionary} dictionary), expected {dim}; "
            "make the data again"
        )
