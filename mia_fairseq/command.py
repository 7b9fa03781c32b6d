"""How every command of this project starts: one format of log lines, errors as sentences."""

import logging
import sys
from collections.abc import Callable

from mia_fairseq.errors import show_input_errors_as_sentences


def run(main: Callable[[], None]) -> None:
    """Runs a command's `main` with logging to standard error."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr, force=True
    )
    show_input_errors_as_sentences()
    main()
