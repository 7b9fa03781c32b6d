"""The one exception for what a user gave wrongly, shown as one sentence without a traceback."""

import contextlib
import errno
import os
import re
import signal
import sys
from pathlib import Path
from types import TracebackType

MOST_QUOTED = 200  # characters of a value
LONGEST = 2000  # characters of a sentence
CUT = "…"
# Between two quotation marks, not two apostrophes in words.
_QUOTATION = re.compile(
    rf"""(?<!\w)(?:'(?:[^'\\\n]|\\.){{{MOST_QUOTED},}}'|"(?:[^"\\\n]|\\.){{{MOST_QUOTED},}}")(?!\w)"""
)


class InputError(ValueError):
    """Bad input from outside: data, a checkpoint, a command line.

    Its message says in one sentence what is wrong, where, what was found, what was expected and
    how to mend it. Command lines print that sentence and exit with status 1. What a message quotes
    is cut to 200 characters, a longer list of values in its middle.
    """

    def __init__(self, message: object = "") -> None:
        told = _QUOTATION.sub(lambda found: shortened(found[0][:-1]) + found[0][-1], str(message))
        if len(told) > LONGEST:
            told = f"{told[: LONGEST * 2 // 3]} {CUT} {told[-LONGEST // 3 :]}"
        one_line = " ".join(told.splitlines())
        super().__init__(one_line.encode("utf-8", "replace").decode())  # lone surrogates: ?


def quoted(value: object) -> str:
    """A value as messages quote it: as Python writes it, at most 200 characters of it."""
    return shortened(repr(value))


def shortened(text: object) -> str:
    """A text in one line, at most 200 characters of it."""
    line = " ".join(str(text).split())
    return line if len(line) <= MOST_QUOTED else line[: MOST_QUOTED - 1] + CUT


def reason_of(error: Exception) -> str:
    """Why one of many clips could not be read: the sentence, or what a library's error says."""
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def refused_pickle(path: Path | str, error: Exception) -> InputError:
    """The sentence for a checkpoint that torch's weights-only reading refused."""
    named = re.search(r"GLOBAL (\S+)", str(error))
    first = shortened((str(error).strip().splitlines() or ["it is cut short"])[0])
    told = f"it holds {shortened(named[1])}" if named else first
    return InputError(
        f"{path} cannot be read as tensors and settings only: {told}; get it again from where it "
        "came from"
    )


_MENDS = {  # by the system's number of an error
    errno.ENOSPC: "no space is left on its disk; free some and run the same command again",
    errno.EDQUOT: "no space is left of your share of its disk; free some and run it again",
    errno.EFBIG: "it would be larger than files may be here; name a place on another disk",
    errno.EACCES: "no permission; name another place, or ask for the right to use this one",
    errno.EPERM: "no permission; name another place, or ask for the right to use this one",
    errno.EROFS: "its disk can only be read; name a place on another disk",
    errno.EISDIR: "it is a folder, expected a file; name a file",
    errno.ENOTDIR: "it, or what it lies in, is a file, expected a folder; name a folder",
    errno.EEXIST: "it is there already, and no folder; name another place",
    errno.ENOTEMPTY: "it is a folder that holds files; name another place",
    errno.ENOENT: "there is no such file or folder; mend its name",
    errno.ENAMETOOLONG: "its name is longer than names may be here; give a shorter one",
}
_FULL = os.strerror(errno.ENOSPC)


def system_sentence(error: BaseException) -> str | None:
    """The sentence for an error of the system, such as a full disk; None for every other error.

    Libraries write by code of their own, whose errors tell of a full disk in their text.
    """
    cause: BaseException | None = error
    seen: set[int] = set()  # an error may be its own cause
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if _FULL in str(cause) and not full:
            return f"{shortened(cause)}: {_MENDS[errno.ENOSPC]}"
        if full:
            error = cause
        cause = cause.__cause__
    if not (isinstance(error, OSError) and error.errno):
        return None
    where = error.filename2 or error.filename
    told = _MENDS.get(error.errno, f"{error.strerror}; mend that and run it again")
    return f"{os.fsdecode(where)}: {told}" if isinstance(where, str | bytes) else told


def show_input_errors_as_sentences() -> None:
    """Lets bad input, errors of the system and Ctrl-C end the process with a line, no traceback.

    Every other exception keeps the hook that was there before.
    """
    previous = sys.excepthook
    if getattr(previous, "_shows_input_errors", False):
        return

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        told = str(error) if isinstance(error, InputError) else system_sentence(error)
        if isinstance(error, BrokenPipeError):  # who read the output has ended
            return
        if isinstance(error, KeyboardInterrupt):
            sys.stderr.write("interrupted\n")
            _end_by_interrupt()
        elif told is not None:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            sys.stderr.write(f"error: {told}\n")
        else:
            previous(kind, error, traceback)

    hook._shows_input_errors = True  # type: ignore[attr-defined]
    sys.excepthook = hook


def _end_by_interrupt() -> None:
    """Ends the process as Ctrl-C ends one that does not catch it, and does so at once.

    The interpreter's own way out waits for no thread that loads batches; caught in C++ code by it,
    such a thread aborts the process with a line of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
