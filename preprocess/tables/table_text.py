"""The text of a table's file: which encoding it has, and what is odd about its characters.

UTF-8 (with a byte order mark or without), UTF-16 and Windows' cp1252 are read, as spreadsheets
write them. Control characters U+0080-U+009F, which MELD's release is full of, become the cp1252
characters that they stand for.
"""

import codecs
import re
from collections.abc import Callable
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.files import check_is_no_device

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
CONTROLS = {
    number: bytes([number]).decode("cp1252", errors="ignore") or chr(number)  # five mean nothing
    for number in range(0x80, 0xA0)
}
# What a spreadsheet shows for a formula that fails, in English, German, French, Spanish, Italian,
# Portuguese and Dutch; tables of text hold them as they are shown.
SHOWN_ERRORS = (
    "#n/a #ref! #value! #name? #div/0! #null! #num! #spill! #calc! #getting_data #field! #blocked! "
    "#connect! #unknown! #busy! #nv #bezug! #wert! #zahl! #überlauf! #valeur! #nom? #nombre! "
    "#nul! #n/d #¡ref! #¡valor! #¿nombre? #¡div/0! #¡nulo! #¡num! #rif! #valore! #nome? #nullo! "
    "#valor! #nulo! #núm! #n/b #verw! #waarde! #naam? #deel/0! #leeg! #getal!"
)
ERROR_VALUES = frozenset(SHOWN_ERRORS.split())
# What UTF-8's bytes look like when they were read as cp1252: an accented letter, quotation marks.
MOJIBAKE = re.compile(r"â(?:€|\x80).?|[ÃÂ][\u0080-\u00bfŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]|ï»¿")


def read_text(path: Path, tell: Callable[[str], None]) -> str:
    """The text of a table, with control characters mended.

    Args and errors are those of `decode_file`.
    """
    text = decode_file(path, tell)
    mended = mended_controls(text)
    if mended != text:
        count = sum(0x80 <= ord(character) < 0xA0 for character in text)
        tell(f"{path}: {count} control characters are read as the cp1252 ones they stand for")
    return mended


def mended_controls(text: str) -> str:
    """A text with the cp1252 characters that its control characters stand for."""
    return text.translate(CONTROLS)


def decode_file(path: Path, tell: Callable[[str], None]) -> str:
    """The text of a file as it is, decoded.

    Args:
        path: the file.
        tell: takes a sentence on each thing that whoever made the file should know.

    Raises:
        InputError: the file cannot be read, or its bytes are of none of the encodings.
    """
    check_is_no_device(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the table cannot be read ({error})") from error
    return _decoded(content, path, tell)


def is_error_value(cell: str) -> bool:
    """Whether a cell is the error of a spreadsheet's formula."""
    return cell.strip().casefold() in ERROR_VALUES


def mojibake(text: str) -> str | None:
    """The first piece of a text that looks like UTF-8 read as cp1252; None where none does."""
    found = MOJIBAKE.search(text)
    return found[0] if found else None


def _decoded(content: bytes, path: Path, tell: Callable[[str], None]) -> str:
    encoding = "utf-8-sig"
    if content.startswith(UTF_16):
        encoding = "utf-16"
    elif b"\0" in content[:200]:
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise InputError(f"{path}: is no {encoding} ({error}); save it as UTF-8") from error
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {content[error.start]:#04x} is neither UTF-8 nor cp1252; "
            "save the table as UTF-8"
        ) from error
    tell(f"{path}: is no UTF-8, read as Windows' cp1252; save it as UTF-8 if letters look wrong")
    return text
