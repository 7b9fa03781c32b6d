"""The transcripts of CMU's releases: what was said in each segment of a video, and when.

``<video>.annotprocessed`` has a line ``3_DELIM_WORDS`` a segment, ``<video>.txt`` a line
``<video>___<clip>___<start>___<end>___<words>``.
"""

import logging
from pathlib import Path

from mia_fairseq.errors import InputError
from preprocess.corpora.cmu_labels import Segment
from preprocess.media.media_files import find_media
from preprocess.tables.table_text import read_text

logger = logging.getLogger(__name__)

TRANSCRIPTS = (".annotprocessed", ".txt")


def transcript_files(raw: Path, *suffixes: str) -> list[Path]:
    """The release's transcripts, sorted, of these suffixes (none: of all); no hidden ones."""
    found = find_media(raw).left_out  # the one walk, so that links are followed here too
    wanted = suffixes or TRANSCRIPTS
    return [path for path, _ in found if path.suffix in wanted and path.is_file()]


def read_transcripts(raw: Path) -> dict[str, dict[str, Segment]]:
    """{video: {clip: what was said}} of the release's transcript files, in either format."""
    found: dict[str, dict[str, Segment]] = {}
    delimited, underlined = (transcript_files(raw, suffix) for suffix in TRANSCRIPTS)
    for path in delimited:
        for line in _lines(path):
            clip, mark, text = line.partition("_DELIM_")
            if mark:
                segment = Segment(path.stem, clip.strip(), "", "", text.strip())
                found.setdefault(path.stem, {})[segment.clip] = segment
    for path in underlined:
        for line in _lines(path):
            cells = line.split("___")
            if len(cells) == 5:
                video, clip, start, end, text = cells
                try:
                    times = float(start), float(end)
                except ValueError as error:
                    raise InputError(f"{path}: {error} in the line of {video}, {clip}") from error
                found.setdefault(video, {})[clip] = Segment(video, clip, "", "", text, *times)
    return found


def _lines(path: Path) -> list[str]:
    return read_text(path, logger.warning).replace("\r\n", "\n").replace("\r", "\n").split("\n")
