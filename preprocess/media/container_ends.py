"""Whether a file ends where its container says, asked of its bytes: libraries take a part for all.

soundfile reads what is there of a truncated WAV or AIFF, and FFmpeg of a Matroska, AVI or OGG, as
if it were the whole. Sizes stand in the headers of the first four; an OGG's pages tell theirs, and
the last one is marked, but nothing tells how much is behind it.
"""

import logging
import struct
from pathlib import Path
from typing import BinaryIO

from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)

BYTE_ORDERS = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">", b"FORM": ">"}
CONTENT = (b"data", b"SSND", b"movi")  # of WAV, AIFF and AVI
STREAMED = 0x7FFF0000  # bytes; so much, or 0, writes a header that could not know its length
IN_DS64 = 0xFFFFFFFF  # a size that stands in RF64's chunk ds64
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # of Matroska and WebM
OGG, PAGE, HEAD, LAST = b"OggS", 65_307, 27, 4  # a page's bytes at most; its head; its flag


def share_there(path: Path) -> float:
    """Which share of the content that its header promises a file holds, up to 1.

    Args:
        path: of a WAV (RF64 as well), AIFF, AVI, Matroska or WebM file. Another kind, or a header
            that was written before the length was known, promises nothing: 1.
    """
    if not path.is_file():
        return 1.0
    with path.open("rb") as file:
        head = file.read(4)
        if head in BYTE_ORDERS:
            size = _riff_size(file, BYTE_ORDERS[head])
        elif head == EBML:
            size = _matroska_size(file)
        else:
            return 1.0
        there = path.stat().st_size - file.tell()
    return min(1.0, there / size) if size and there > 0 else 1.0


def check_ogg_end(path: Path, reached: float, end: float | None) -> None:
    """Checks that an OGG file (Opus, Vorbis) ends with a page; others are left alone.

    A last page that is whole but not marked as the last is logged.

    Args:
        path: of the file.
        reached: seconds up to which it could be read.
        end: seconds up to which it was read; None: to its end.

    Raises:
        InputError: it ends within a page.
    """
    if not path.is_file() or (end is not None and end <= reached):
        return
    with path.open("rb") as file:
        if file.read(4) != OGG:
            return
        file.seek(max(0, path.stat().st_size - PAGE))
        page = file.read()
    page = page[max(0, page.rfind(OGG)) :]
    segments = page[HEAD : HEAD + page[HEAD - 1]] if len(page) >= HEAD else b""
    if len(page) < HEAD or len(page) < HEAD + page[HEAD - 1] + sum(segments):
        raise InputError(
            f"{path}: its content ends after {reached:.1f} s, in the middle of a page; the file is "
            "truncated or damaged, so fetch it again or take it out"
        )
    if not page[5] & LAST:
        logger.warning("%s: its last page is not marked as the last; it may be cut short", path)


def _riff_size(file: BinaryIO, order: str) -> int:
    """Bytes of content behind the place where it leaves the file; 0 where they are not known."""
    file.seek(12)
    long = 0
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", head)
        if name == b"LIST" and file.read(4) == CONTENT[-1]:
            name, size = CONTENT[-1], size - 4
        elif name == b"LIST":
            file.seek(-4, 1)
        if name in CONTENT:
            if size == IN_DS64 and long:
                return long if long != IN_DS64 and long < 1 << 62 else 0
            return size if size < STREAMED else 0
        if name == b"ds64" and size >= 16:
            long = int.from_bytes(file.read(16)[8:], "little")
            size -= 16
        file.seek(size + size % 2, 1)
    return 0


def _matroska_size(file: BinaryIO) -> int:
    """The same of the segment, which holds all but the file's first header."""
    file.seek(0)
    while (name := file.read(4)) in (EBML, SEGMENT):
        first = (file.read(1) or b"\0")[0]
        more = 8 - first.bit_length()  # as many bytes as there are zeros before the first 1
        if not first:
            return 0
        size = int.from_bytes(bytes([first]) + file.read(more), "big") ^ 1 << 7 * (more + 1)
        if name == SEGMENT:
            return size if size != (1 << 7 * (more + 1)) - 1 else 0  # all ones: not known
        file.seek(size, 1)
    return 0
