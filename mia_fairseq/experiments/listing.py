"""What ``--print`` shows: an experiment's file with all that it inherits, and its commands.

The file's lines are comments, so that what is printed is a script that runs.
"""

import shlex
from collections.abc import Sequence

import yaml

from mia_fairseq.experiments.plan import PlannedRow
from mia_fairseq.experiments.running.training_run import train_command, validate_command
from mia_fairseq.experiments.specification.inheritance import ancestry, located, merged


def merged_file(name: str) -> str:
    """The merged file of an experiment in comments, below what it inherits from."""
    path = located(name)
    itself, *inherited = ancestry(path)
    shown = yaml.safe_dump(merged(path), sort_keys=False, allow_unicode=True, width=95)
    lines = [f"{itself} inherits {', then '.join(inherited) or 'nothing'}:", *shown.splitlines()]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def print_commands(rows: Sequence[PlannedRow]) -> None:
    """The commands of every run, in the order in which they go."""
    runs = [run for entry in rows for run in entry.runs]
    for run in [part for whole in runs for part in whole.parts.values() or (whole,)]:
        print(shlex.join(train_command(run)))
        for evaluation in run.evaluations:
            print(shlex.join(validate_command(run, evaluation)))
