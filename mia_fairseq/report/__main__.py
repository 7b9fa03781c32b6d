"""One self-contained page, and Markdown, of what experiments gave, beside the paper's numbers.

    python -m mia_fairseq.report runs                      # all experiments, to runs/report.html
    python -m mia_fairseq.report runs/table4 runs/context  # some
    python -m mia_fairseq.report CKPT results.json         # one training, one evaluation
    python -m mia_fairseq.report runs --csv --latex        # and tables for a paper

The page opens offline. Runs that are missing, failed or of an older format are named in their row.
"""

from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole
from mia_fairseq.report.comparison import published_only, show
from mia_fairseq.report.fusion_parts import fusion_part_notes
from mia_fairseq.report.html_page import ReportPart, html
from mia_fairseq.report.illustrations import illustrate
from mia_fairseq.report.run_results import Section, sections_of
from mia_fairseq.report.single_runs import is_single, single
from mia_fairseq.report.text_tables import comma_separated, latex, markdown


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the report."""
    parser = command_parser("mia_fairseq.report", __doc__)
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUNS")
    parser.add_argument("--out", type=Path, default=Path("runs/report.html"), help="the page")
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap")
    parser.add_argument(
        *("--utterances",), nargs="*", default=[], metavar="ID", help="whose attention is shown"
    )
    parser.add_argument("--csv", action="store_true", help="the figures as .csv too")
    parser.add_argument("--latex", action="store_true", help="the tables as .tex too")
    parser.add_argument("--no-attention", action="store_true", help="no chosen utterances")
    args = parser.parse_args(argv)
    if args.resamples < 100 or args.out.suffix != ".html":
        raise InputError(
            f"--resamples {args.resamples} --out {args.out}: expected 100 or more and an .html file"
        )
    chosen = None if args.no_attention else args.utterances
    shown_checkpoints: set[Path] = set()
    sections = [
        section
        for path in args.runs
        for section in ([single(path)] if is_single(path) else sections_of([path]))
    ]
    parts = [_part(section, args.resamples, chosen, shown_checkpoints) for section in sections]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    texts = {".html": html(parts), ".md": markdown(parts)}
    if args.csv:
        texts[".csv"] = comma_separated(parts)
    if args.latex:
        texts[".tex"] = latex(parts)
    for suffix, text in texts.items():
        write_whole(args.out.with_suffix(suffix), text)
    print(f"written: {', '.join(str(args.out.with_suffix(suffix)) for suffix in texts)}")


def _part(
    section: Section, resamples: int, chosen: Sequence[str] | None, done: set[Path]
) -> ReportPart:
    part = ReportPart(section, problems=list(section.problems))
    for table in section.tables:
        shown = show(section, table, resamples)
        shown.notes += fusion_part_notes(table)
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


def command() -> None:
    """``mia-report``."""
    run_command(main)


if __name__ == "__main__":
    command()
