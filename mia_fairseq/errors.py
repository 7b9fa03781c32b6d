"""The one exception for what a user gave wrongly, shown as one sentence without a traceback."""

import re
import sys
from pathlib import Path
from types import TracebackType


class InputError(ValueError):
    """Bad input from outside: data, a checkpoint, a command line.

    Its message says in one sentence what is wrong, where, what was found, what was expected and
    how to mend it. Command lines print that sentence and exit with status 1.
    """


def refused_pickle(path: Path | str, error: Exception) -> InputError:
    """The sentence for a checkpoint that torch's weights-only reading refused."""
    named = re.search(r"GLOBAL (\S+)", str(error))
    first = (str(error).strip().splitlines() or ["it is cut short"])[0]
    return InputError(
        f"{path} cannot be read as tensors and settings only: "
        f"{f'it holds {named[1]}' if named else first}; get it again from where it came from"
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
