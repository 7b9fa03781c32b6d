"""The report's tables as Markdown, LaTeX and comma-separated values."""

import csv
import io
import re
from collections.abc import Sequence

from mia_fairseq.data.formula_cells import escaped
from mia_fairseq.report.answers_in_words import answer, difference_text
from mia_fairseq.report.html_page import READING, ReportPart
from mia_fairseq.report.shown_tables import Cell, ShownRow, ShownTable

CSV_COLUMNS = (
    *("experiment", "table", "row", "published", "seeds", "metric", "mean", "deviation"),
    *("low", "high", "difference", "difference_low", "difference_high", "p", "p_holm"),
    *("compared_to", "notes"),
)
LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "×": r"$\times$", "γ": r"$\gamma$", "–": "--"}
LATEX |= {mark: f"\\{mark}" for mark in "&%$#_{}"} | {"~": r"\textasciitilde{}", "−": "$-$"}


def markdown(parts: Sequence[ReportPart]) -> str:
    """Text and tables, without pictures."""
    blocks = ["# Results", READING]
    for part in parts:
        blocks.append(f"## {part.section.title}")
        chosen = part.section.experiment
        if chosen is not None:
            about = {"Claim": chosen.claim, "Needs": chosen.needs, "Status": chosen.status}
            about |= {"Note": chosen.note}
            blocks += [f"{name}: {text}" for name, text in about.items() if text]
        blocks += [f"- {problem}" for problem in part.problems]
        if part.section.printed:
            blocks.append(f"```\n{part.section.printed.strip()}\n```")
        for table in part.tables:
            said = answer(table)
            blocks += [f"### {table.title}", *([said.text] if said else [])]
            blocks += [_markdown_table(table), *table.notes]
    return "\n\n".join(blocks if parts else [*blocks, "No runs were given."]) + "\n"


def latex(parts: Sequence[ReportPart]) -> str:
    """A booktabs table for each table of runs: figures and differences, no intervals of figures.

    What Markdown says of rows and tables stands above each as comments.
    """
    blocks = ["% \\usepackage{booktabs}"]
    for part in parts:
        blocks += [_comment(f"{part.section.title}: {problem}") for problem in part.problems]
        for table in part.tables:
            heads = _heads(table)[:-1]
            notes = [f"{row.name}: {note}" for row in table.rows for note in row.notes]
            lines = [
                _comment(f"{part.section.title}: {table.title}"),
                *map(_comment, (*table.notes, *notes)),
                f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
                "\\toprule",
                " & ".join(map(_latex, heads)) + r" \\",
                "\\midrule",
            ]
            for row in table.rows:
                cells = [_latex(cell) for cell in _cells(row, table, intervals=False)[:-1]]
                lines.append(" & ".join(cells) + r" \\")
            blocks.append("\n".join([*lines, "\\bottomrule", "\\end{tabular}"]))
    return "\n\n".join(blocks) + "\n"


def comma_separated(parts: Sequence[ReportPart]) -> str:
    """One line for each row and metric, with all digits; a figure that is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for part in parts:
        for table in part.tables:
            ours = _columns_of_ours(table)
            for row in table.rows:
                for column, cell in zip(table.columns, row.cells, strict=True):
                    if cell.mean is not None or (column in ours and not row.published):
                        names = map(escaped, (part.section.title, table.title, row.name))
                        first = [*names, int(row.published)]
                        figures = [row.seeds, escaped(column), *_figures(cell)]
                        differences = _difference_cells(row) if column == table.metric else [""] * 6
                        notes = escaped("; ".join(row.notes))
                        writer.writerow([*first, *figures, *differences, notes])
    return text.getvalue()


def _columns_of_ours(table: ShownTable) -> set[str]:
    """The table's metric, and those that a row of ours has."""
    cells = [zip(table.columns, row.cells, strict=True) for row in table.rows if not row.published]
    return {table.metric, *(name for row in cells for name, cell in row if cell.mean is not None)}


def _figures(cell: Cell) -> list[object]:
    low, high = cell.interval or ("", "")
    return ["" if known is None else known for known in (cell.mean, cell.deviation, low, high)]


def _difference_cells(row: ShownRow) -> list[object]:
    if row.difference is None:
        return [""] * 6
    return [*row.difference, row.corrected, row.compared_to]


def _markdown_table(table: ShownTable) -> str:
    heads = _heads(table)
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in table.rows:
        cells = _cells(row, table, intervals=True)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _heads(table: ShownTable) -> list[str]:
    differences = [f"{table.metric} less {table.reference}'s"] if table.reference else []
    return ["row", "seeds", *table.columns, *differences, "notes"]


def _cells(row: ShownRow, table: ShownTable, *, intervals: bool) -> list[str]:
    figures = [cell.text() for cell in row.cells]
    if not intervals:
        figures = [figure.partition(" [")[0] for figure in figures]
    differences = [_difference(row, table)] if table.reference else []
    return [row.name, row.seeds, *figures, *differences, "; ".join(row.notes)]


def _difference(row: ShownRow, table: ShownTable) -> str:
    found = row.difference
    if found is None:
        return "reference" if row.name == table.reference else ""
    text = f"{difference_text(row)}, p {found.p:.3f}, Holm {row.corrected:.3f}"
    return text if row.compared_to == table.reference else f"{text}, to {row.compared_to}"


def _comment(text: str) -> str:
    """A line that LaTeX does not read."""
    return f"% {' '.join(text.split())}"


def _latex(text: str) -> str:
    return re.sub(".", lambda mark: LATEX.get(mark[0], mark[0]), text)
