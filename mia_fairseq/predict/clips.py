"""The clips that a user names, and the words that are spoken in them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mia_fairseq.errors import InputError
from preprocess.media.clip import Clip
from preprocess.media.media_files import MEDIA_SUFFIXES, find_media

logger = logging.getLogger(__name__)


def find_clips(paths: Sequence[Path], text: str | None) -> list[Clip]:
    """The media files that paths name, folders searched through, with their words.

    What a folder holds and is no clip is told, and so is a clip of it that was found before.

    Raises:
        InputError: a path is not there, a folder holds no media, or one text is given for several.
    """
    files: list[Path] = []
    known: dict[Path, Path] = {}  # of each file's own place, the path that it is read by
    for path in paths:
        if path.is_dir():
            inside = find_media(path)
            for file, reason in inside.left_out:
                logger.warning("left out: %s: %s", _name(file), reason)
            if not inside.clips:
                raise InputError(
                    f"{path}: holds no media file ({', '.join(sorted(MEDIA_SUFFIXES))}) and is no "
                    "DATA folder"
                )
            for file in inside.clips:
                earlier = known.setdefault(file.resolve(), file)
                if earlier is file:
                    files.append(file)
                else:
                    logger.warning(
                        "left out: %s: it is taken already, as %s", _name(file), _name(earlier)
                    )
        elif path.is_file():
            files.append(path)
            known.setdefault(path.resolve(), path)
        else:
            raise InputError(f"{path}: no such file or folder")
    if text is not None and len(files) > 1:
        raise InputError(f"--text is given for {len(files)} clips; predict them one at a time")
    return [Clip(_name(file), file, text) for file in files]


def _name(file: Path) -> str:
    """A file's path as text; bytes of it that are no UTF-8 as numbers."""
    return str(file).encode(errors="backslashreplace").decode()


def listen(clips: Sequence[Clip]) -> list[Clip]:
    """The clips with words: those that are known, else those that are spoken in them.

    Words are '' where nobody speaks, and where the file cannot be heard, which is told.
    """
    from preprocess.media.speech_words import transcribe
    from preprocess.media.streams import read_audio

    heard = []
    for clip in clips:
        if clip.text is not None:
            heard.append(clip)
            continue
        words = ""
        try:
            if clip.path is not None:
                words = transcribe(read_audio(clip.path, start=clip.start, end=clip.end))
        except (InputError, OSError) as error:
            logger.warning("%s: no words: %s", clip.id, error)
        heard.append(replace(clip, text=words))
    return heard
