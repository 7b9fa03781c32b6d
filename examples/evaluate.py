"""Several fairseq-validate commands in one process, which saves fairseq's start-up for each.

    python -m examples.evaluate COMMANDS.json

The file holds a list of commands, each a list of words that begins with fairseq-validate.
"""

import json
import sys
from pathlib import Path

from fairseq_cli import validate

from mia_fairseq.command import run as run_command


def main() -> None:
    """Runs the commands one after another; the first failure ends all."""
    commands = json.loads(Path(sys.argv[1]).read_text())
    for command in commands:
        sys.argv = command  # fairseq's command line reads its words from there
        validate.cli_main()


if __name__ == "__main__":
    run_command(main)
