"""Which files of a folder are clips: one list of suffixes and one walk, for corpora and predict.

Written policy, tested in tests/preprocess/media/test_media_files.py:

- Folders are searched at any depth. What begins with a dot is left out (``._clip.mp4`` is a
  Mac's note about a clip), and so is what lies in a folder that does.
- Links are followed, each file and folder once: a link to what is found already is its other name.
- Every other file is taken or listed as left out, with the reason.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mia_fairseq.errors import InputError

VIDEO_SUFFIXES = (
    *(".mp4", ".mkv", ".avi", ".mov", ".webm", ".flv", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp"),
    *(".ogv", ".ts", ".mts", ".m2ts"),
)
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", ".aif", ".aiff", ".wma")
MEDIA_SUFFIXES = (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)


def visible(folder: Path, *patterns: str) -> list[Path]:
    """What lies below a folder by any of the patterns of `Path.glob`, sorted within each.

    Nothing that begins with a dot is in it, nor what lies in a folder that does.
    """
    return [
        path
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


@dataclass
class MediaFiles:
    """What a folder holds.

    Attributes:
        clips: the media files, sorted, each once.
        aliases: {link: the clip that it is another name of}.
        left_out: (file or folder, why it is no clip), sorted.
    """

    clips: list[Path] = field(default_factory=list)
    aliases: dict[Path, Path] = field(default_factory=dict)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def find_media(folder: Path) -> MediaFiles:
    """The media files below a folder.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give a folder of clips")
    found, seen = MediaFiles(), _Seen()
    waiting = [folder]  # links wait until what really lies there is found
    links: list[Path] = []
    while waiting or links:
        top = waiting.pop() if waiting else links.pop(0)
        if top.is_dir():
            _walk(top, found, seen, links)
        else:
            _take(top, found, seen)
    found.clips.sort()
    found.left_out.sort()
    return found


class _Seen:
    """Files and folders by their place on the disk, which all links to one share."""

    def __init__(self) -> None:
        self.first: dict[tuple[int, int], Path] = {}

    def before(self, path: Path, found: os.stat_result) -> Path | None:
        """Under which path it was met before; None where it is new."""
        first = self.first.setdefault((found.st_dev, found.st_ino), path)
        return None if first == path else first


def _walk(top: Path, found: MediaFiles, seen: _Seen, links: list[Path]) -> None:
    if not _is_new_folder(top, found, seen):
        return
    for parent, folders, names in os.walk(top, onerror=_unreadable(found)):
        inside = [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
        below = [Path(parent, name) for name in sorted(folders) if not name.startswith(".")]
        links += [path for path in (*inside, *below) if path.is_symlink()]
        folders.clear()
        for path in below:
            if not path.is_symlink() and _is_new_folder(path, found, seen):
                folders.append(path.name)
        for path in inside:
            if not path.is_symlink():
                _take(path, found, seen)


def _is_new_folder(path: Path, found: MediaFiles, seen: _Seen) -> bool:
    earlier = seen.before(path, path.stat())
    if earlier is not None:
        found.left_out.append((path, f"it is the same folder as {earlier}"))
    return earlier is None


def _take(path: Path, found: MediaFiles, seen: _Seen) -> None:
    suffix = path.suffix.lower()
    try:
        status = path.stat()
    except OSError as error:
        found.left_out.append((path, f"it cannot be read ({error.strerror})"))
        return
    if suffix not in MEDIA_SUFFIXES:
        kind = f"its suffix {path.suffix}" if suffix else "a name without a suffix"
        found.left_out.append((path, f"{kind} is none of a media file"))
    elif not stat.S_ISREG(status.st_mode):
        found.left_out.append((path, "it is no regular file"))
    elif (earlier := seen.before(path, status)) is not None and _one_name(path, status):
        found.aliases[path] = earlier
        found.left_out.append((path, f"it is the same file as {earlier}"))
    else:
        found.clips.append(path)


def _one_name(path: Path, status: os.stat_result) -> bool:
    """Whether a file met twice is one: a hard link is a file of its own to whoever made it."""
    return path.is_symlink() or status.st_nlink == 1


def _unreadable(found: MediaFiles) -> Callable[[OSError], None]:
    def tell(error: OSError) -> None:
        found.left_out.append((Path(error.filename), f"it cannot be read ({error.strerror})"))

    return tell
