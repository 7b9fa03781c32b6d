"""The one exception for what a user gave wrongly, shown as one sentence without a traceback."""

import re
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


def refused_pickle(path: Path | str, error: Exception) -> InputError:
    """The sentence for a checkpoint that torch's weights-only reading refused."""
    named = re.search(r"GLOBAL (\S+)", str(error))
    first = shortened((str(error).strip().splitlines() or ["it is cut short"])[0])
    told = f"it holds {shortened(named[1])}" if named else first
    return InputError(
        f"{path} cannot be read as tensors and settings only: {told}; get it again from where it "
        "came from"
    )


def show_input_errors_as_sentences() -> None:
    """Let an uncaught `InputError` end the process with its sentence instead of a traceback.

    Every other exception keeps the hook that was there before.
    """
    previous = sys.excepthook
    if getattr(previous, "_shows_input_errors", False):
        return

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, InputError):
            sys.stdout.flush()
            sys.stderr.write(f"error: {error}\n")
        else:
            previous(kind, error, traceback)

    hook._shows_input_errors = True  # type: ignore[attr-defined]
    sys.excepthook = hook
