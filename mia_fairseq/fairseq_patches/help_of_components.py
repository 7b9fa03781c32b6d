"""``--help`` also shows the flags of the task, architecture and criterion that were named.

Symptom: ``fairseq-train --user-dir mia_fairseq --task multimodal_affect --arch mia_net --help``
shows fairseq's own flags only.
Cause: ``fairseq/options.py``, ``parse_args_and_arch``: ``args, _ = parser.parse_known_args(...)``
answers ``--help`` before the flags of the components are added to the parser.
Delete it when: fairseq's first parse leaves ``--help`` to its second.
Fails without it: ``tests/fairseq_patches/test_help_of_components.py``.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from fairseq import options

HELP = {"-h", "--help"}


def apply() -> None:
    """Replaces ``fairseq.options.parse_args_and_arch``."""
    options.parse_args_and_arch = _with_late_help(options.parse_args_and_arch)


def _with_late_help(original: Callable[..., Any]) -> Callable[..., Any]:
    def parse_args_and_arch(
        parser: argparse.ArgumentParser, input_args: Sequence[str] | None = None, **settings: Any
    ) -> Any:
        given = list(sys.argv[1:] if input_args is None else input_args)
        if not HELP.isdisjoint(given):
            _skip_help_once(parser, given)
        return original(parser, input_args, **settings)

    return parse_args_and_arch


def _skip_help_once(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    parse = parser.parse_known_args

    def first_parse(*_: Any, **__: Any) -> Any:
        parser.parse_known_args = parse  # type: ignore[method-assign]
        parsed = parse([word for word in given if word not in HELP])
        if None in (getattr(parsed[0], name, "") for name in ("arch", "task")):  # none was named
            parser.parse_args(given)
        return parsed

    parser.parse_known_args = first_parse  # type: ignore[method-assign]
