"""How every command of this project starts: one format of log lines, errors as sentences."""

import argparse
import logging
import sys
from collections.abc import Callable

from mia_fairseq.errors import show_input_errors_as_sentences

INTERRUPTED = 130  # the shell's status for what Ctrl-C has ended

# They log each step, or advice that concerns nobody here.
_TALKATIVE = ("PIL", "h5py", "matplotlib", "faster_whisper", "fairseq.tasks.text_to_speech")


def quiet_libraries() -> None:
    """Lets libraries log warnings and errors only."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines, and tells each option's default, unless that is nothing."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = action.help or ""
        nothing = action.default is None or action.default is False or action.default == []
        if nothing or action.default == argparse.SUPPRESS or "default" in told:
            return told
        return f"{told} (default: %(default)s)"


def command_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of ``python -m module``, with its `Help`.

    Args:
        module: the command's.
        description: what it does, mostly the module's docstring.
    """
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=Help,
    )


def run(main: Callable[[], None]) -> None:
    """Runs a command's `main` with logging to standard error.

    A user's mistake ends it with one sentence and status 1, Ctrl-C with one line and status 130.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr, force=True
    )
    quiet_libraries()
    show_input_errors_as_sentences()
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise SystemExit(INTERRUPTED) from None
