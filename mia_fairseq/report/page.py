"""The report's text: one HTML page that needs nothing else, and Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from mia_fairseq.report.collect import Section
from mia_fairseq.report.comparison import ShownRow, ShownTable
from mia_fairseq.report.illustrations import Illustration

STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }
h2 { border-top: 2px solid #ddd; padding-top: 1rem; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left;
  vertical-align: top; white-space: nowrap; }
th:first-child, td:first-child { white-space: normal; min-width: 14rem; }
tr.published { color: #666; font-style: italic; }
small { color: #666; }
figure { margin: 1rem 0; } img { max-width: 100%; }
figcaption { font-size: 13px; color: #555; }
.problem { background: #fff3cd; padding: .4rem .8rem; }
blockquote { border-left: 3px solid #ccc; margin: .5rem 0; padding-left: .8rem; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; }
"""
READING = (
    "Figures are fractions, MAE is in the labels' unit. Each is the mean over seeds ± their "
    "standard deviation; in brackets the 95 % bootstrap interval of that mean over test "
    "utterances, of a cross-validation over whole groups (actors, videos). has0: negative "
    "against non-negative on all rows; non0: negative against positive, rows of truth 0 left "
    "out. Differences are to the table's reference, or to what is named, with a 95 % interval "
    "and a two-sided p of a paired bootstrap that draws utterances (or groups) and seeds. The "
    "epoch is chosen by validation loss. Published figures are as printed."
)


@dataclass
class Part:
    """One section, ready to be written."""

    section: Section
    tables: list[ShownTable] = field(default_factory=list)
    pictures: list[list[Illustration]] = field(default_factory=list)  # of each table
    utterances: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def html(parts: Sequence[Part]) -> str:
    """The whole page."""
    links = " · ".join(
        f'<a href="#{escape(part.section.title)}">{escape(part.section.title)}</a>'
        for part in parts
    )
    body = "".join(map(_html_part, parts)) or '<p class="problem">No runs were given.</p>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>mia_fairseq: results</title><style>{STYLE}</style></head><body>"
        f"<h1>Results</h1><p>{READING}</p><nav>{links}</nav>{body}</body></html>\n"
    )


def markdown(parts: Sequence[Part]) -> str:
    """Text and tables, without pictures."""
    blocks = ["# Results", READING]
    for part in parts:
        blocks.append(f"## {part.section.title}")
        blocks += [text for _, text in _about(part.section)]
        blocks += [f"- {problem}" for problem in part.problems]
        if part.section.printed:
            blocks.append(f"```\n{part.section.printed.strip()}\n```")
        for table in part.tables:
            blocks += [f"### {table.title}", _markdown_table(table), *table.notes]
    return "\n\n".join(blocks if parts else [*blocks, "No runs were given."]) + "\n"


def _about(section: Section) -> list[tuple[str, str]]:
    chosen = section.experiment
    if chosen is None:
        return []
    named = (
        ("Claim", chosen.claim),
        ("Needs", chosen.needs),
        ("Status", chosen.status),
        ("Note", chosen.note),
    )
    return [(name, f"{name}: {text}") for name, text in named if text]


def _html_part(part: Part) -> str:
    title = escape(part.section.title)
    pieces = [f'<h2 id="{title}">{title}</h2>']
    pieces += [
        f"<p>{'<strong>' if name == 'Claim' else ''}{escape(text)}"
        f"{'</strong>' if name == 'Claim' else ''}</p>"
        for name, text in _about(part.section)
    ]
    pieces += [f'<p class="problem">{escape(problem)}</p>' for problem in part.problems]
    if part.section.printed:
        pieces.append(f"<pre>{escape(part.section.printed)}</pre>")
    for place, table in enumerate(part.tables):
        pieces.append(_html_table(table))
        for picture in part.pictures[place] if place < len(part.pictures) else []:
            caption = escape(picture.caption)
            pieces.append(f"<figure>{picture.html}<figcaption>{caption}</figcaption></figure>")
    return f"<section>{''.join(pieces)}{''.join(part.utterances)}</section>"


def _html_table(table: ShownTable) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in _heads(table)[:-1])
    rows = []
    for row in table.rows:
        notes = "".join(f"<br><small>{escape(note)}</small>" for note in row.notes)
        cells = [escape(row.name) + notes, escape(row.seeds)]
        for cell in row.cells:
            text, _, covered = cell.text().partition(" [")
            cells.append(escape(text) + (f"<br><small>[{covered}</small>" if covered else ""))
        if table.reference:
            cells.append(escape(_difference(row, table)))
        columns = "".join(f"<td>{cell}</td>" for cell in cells)
        kind = ' class="published"' if row.published else ""
        rows.append(f"<tr{kind}>{columns}</tr>")
    notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in table.notes)
    return f"<h3>{escape(table.title)}</h3><table><tr>{heads}</tr>{''.join(rows)}</table>{notes}"


def _markdown_table(table: ShownTable) -> str:
    heads = _heads(table)
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in table.rows:
        cells = [row.name, row.seeds, *(cell.text() for cell in row.cells)]
        if table.reference:
            cells.append(_difference(row, table))
        cells.append("; ".join(row.notes))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _heads(table: ShownTable) -> list[str]:
    compared = [f"{table.metric} less {table.reference}'s"] if table.reference else []
    return ["row", "seeds", *table.columns, *compared, "notes"]


def _difference(row: ShownRow, table: ShownTable) -> str:
    found = row.difference
    if found is None:
        return "reference" if row.name == table.reference else ""
    text = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], p {found.p:.3f}"
    return text if row.compared_to == table.reference else f"{text}, to {row.compared_to}"
