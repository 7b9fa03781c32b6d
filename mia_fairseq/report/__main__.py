"""One self-contained page, and Markdown, of what experiments gave, beside the paper's numbers.

    python -m mia_fairseq.report runs                      # all experiments, to runs/report.html
    python -m mia_fairseq.report runs/table4 runs/context  # some
    python -m mia_fairseq.report runs/mosi_utterance       # runs of a recipe

The page opens offline. Runs that are missing, failed or of an older format are named in their row.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole
from mia_fairseq.report.collect import Section, collect
from mia_fairseq.report.comparison import published_only, show
from mia_fairseq.report.illustrations import illustrate
from mia_fairseq.report.page import Part, html, markdown


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the report."""
    parser = argparse.ArgumentParser(
        prog="python -m mia_fairseq.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUNS")
    parser.add_argument("--out", type=Path, default=Path("runs/report.html"))
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap")
    parser.add_argument(
        *("--utterances",), nargs="*", default=[], metavar="ID", help="whose attention is shown"
    )
    parser.add_argument("--no-attention", action="store_true", help="no chosen utterances")
    args = parser.parse_args(argv)
    if args.resamples < 100 or args.out.suffix != ".html":
        raise InputError(
            f"--resamples {args.resamples} --out {args.out}: expected 100 or more and an .html file"
        )
    chosen = None if args.no_attention else args.utterances
    shown_checkpoints: set[Path] = set()
    parts = [
        _part(section, args.resamples, chosen, shown_checkpoints) for section in collect(args.runs)
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(args.out, html(parts))
    write_whole(args.out.with_suffix(".md"), markdown(parts))
    print(f"written: {args.out}, {args.out.with_suffix('.md')}")


def _part(section: Section, resamples: int, chosen: Sequence[str] | None, done: set[Path]) -> Part:
    part = Part(section, problems=list(section.problems))
    for table in section.tables:
        shown = show(section, table, resamples)
        part.tables.append(shown)
        part.pictures.append(illustrate(section, table, shown))
        if chosen is not None:
            from mia_fairseq.report.utterances import (
                utterances,  # imports fairseq, which takes seconds
            )

            text, problems = utterances(section, table, chosen, done)
            part.utterances.append(text)
            part.problems += problems
    part.tables += published_only(section)
    return part


if __name__ == "__main__":
    run_command(main)
