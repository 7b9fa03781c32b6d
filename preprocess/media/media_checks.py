"""Whether a range of seconds can be, and whether a track holds what its header promises."""

from pathlib import Path

from mia_fairseq.errors import InputError

LOST_SHARE, LOST_SECONDS = 0.05, 0.5  # a track may end this much early; more is truncation


def check_whole(
    path: Path, kind: str, reached: float, promised: float | None, end: float | None
) -> None:
    """Checks that a track holds what its header promises, but for half a second or a twentieth.

    Args:
        path: of the file.
        kind: sound or video.
        reached: seconds up to which it could be read.
        promised: seconds of its end by the header; None: it says nothing.
        end: seconds up to which it was read; None: to its end.

    Raises:
        InputError: it ends well before.
    """
    if promised is None:
        return
    due = promised if end is None else min(end, promised)
    if due - reached > max(LOST_SECONDS, LOST_SHARE * due):
        raise InputError(
            f"{path}: its {kind} ends after {reached:.1f} s where the header promises "
            f"{promised:.1f} s; the file is truncated or damaged, so fetch it again or take it out"
        )


def check_range(path: Path, start: float | None, end: float | None) -> None:
    """Checks a range of seconds.

    Args:
        path: of the file, for errors.
        start: None: the beginning.
        end: None: the end.

    Raises:
        InputError: not 0 <= start < end.
    """
    if start is not None and not 0 <= start < float("inf"):
        raise InputError(f"{path}: the start {start} is not a time in seconds from 0 on; mend it")
    if end is not None and not (start or 0.0) < end:
        raise InputError(
            f"{path}: the range {range_text(start, end)} is empty, expected end after start; "
            "mend the times in the list of clips"
        )


def range_text(start: float | None, end: float | None) -> str:
    """A range in words, for messages."""
    return f"{start or 0.0:g} s to {'the end' if end is None else f'{end:g} s'}"
