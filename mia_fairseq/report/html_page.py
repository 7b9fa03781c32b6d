"""The report as one HTML page that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from mia_fairseq.report.answers_in_words import Answer, answer
from mia_fairseq.report.illustrations import Illustration
from mia_fairseq.report.run_results import Section
from mia_fairseq.report.shown_tables import Cell, ShownRow, ShownTable

STYLE, SCRIPT = (Path(__file__).with_name(f"page.{kind}") for kind in ("css", "js"))
READING = (
    "Figures are fractions, MAE is in the labels' unit. Each is the mean over seeds ± their "
    "standard deviation; in brackets the 95 % bootstrap interval of that mean over test "
    "utterances, of a cross-validation over whole groups (actors, videos). has0: negative "
    "against non-negative on all rows; non0: negative against positive, rows of truth 0 left "
    "out. Differences are to the table's reference, or to what is named, with a 95 % interval "
    "and a two-sided p of a paired bootstrap that draws utterances (or groups) and seeds; beside "
    "it p by Holm, corrected for all rows of the table that were compared. A difference is "
    "called settled where that is below 0.05. Of few seeds p is too small where a seed moves all "
    "utterances alike; of one seed a difference is between two trained models, not yet between two "
    "methods. Of fewer than 20 rows (or groups) nothing is called settled. A row is not compared "
    "where the metric is undefined. The epoch is chosen on validation. Published "
    "figures are as printed."
)


@dataclass
class ReportPart:
    """One section, ready to be written."""

    section: Section
    tables: list[ShownTable] = field(default_factory=list)
    pictures: list[list[Illustration]] = field(default_factory=list)  # of each table
    utterances: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def html(parts: Sequence[ReportPart]) -> str:
    """The whole page."""
    body = "".join(map(_part, parts)) or '<p class="problem">No runs were given.</p>'
    title = parts[0].section.title if len(parts) == 1 else "Results"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>mia_fairseq: {escape(title)}</title><style>{STYLE.read_text()}</style></head>"
        f"<body><h1>{escape(title) if len(parts) == 1 else 'Results'}</h1>"
        f"{_overview(parts)}{body}"
        f'<section id="reading"><h2>How to read this</h2><p>{READING}</p></section>'
        f"<script>{SCRIPT.read_text()}</script></body></html>\n"
    )


def _overview(parts: Sequence[ReportPart]) -> str:
    """A line for each table of runs: what was asked, who leads, by how much, is it settled."""
    if len(parts) < 2:
        return ""
    lines = []
    for part in parts:
        name = escape(part.section.title)
        answers = [(table, answer(table)) for table in part.tables]
        found = [(table, said) for table, said in answers if said is not None]
        link = f'<a href="#{name}">{name}</a>'
        if not found:
            lines.append(_overview_line(link, "", None))
        for table, said in found:
            lines.append(_overview_line(link, table.title.rpartition(",")[0], said))
    heads = "".join(f"<th>{head}</th>" for head in ("experiment", "leads", "difference", "data"))
    return (
        f'<div class="scroll"><table class="overview"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody>"
        '</table></div><p><small><a href="#reading">How to read this</a></small></p>'
    )


def _overview_line(link: str, data: str, said: Answer | None) -> str:
    cells = ["no finished run", ""]
    if said is not None:
        verdict = f'<br><small class="{said.kind}">{escape(said.verdict)}</small>'
        leader = escape(said.leader) + _small([said.figure])
        cells = [leader, escape(said.difference) + (verdict if said.verdict else "")]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in (link, *cells, escape(data))) + "</tr>"


def _part(part: ReportPart) -> str:
    title, chosen = escape(part.section.title), part.section.experiment
    pieces = [f'<h2 id="{title}">{title}</h2>']
    if chosen is not None:
        pieces.append(f'<p class="asked">Claim: {escape(chosen.claim)}</p>')
    pieces += [f'<p class="problem">{escape(problem)}</p>' for problem in part.problems]
    for place, table in enumerate(part.tables):
        pictures = part.pictures[place] if place < len(part.pictures) else []
        pieces.append(_table_part(table, pictures))
    if chosen is not None:
        about = {
            "needs": chosen.needs,
            "status": chosen.status,
            **chosen.about,
            "note": chosen.note,
        }
        entries = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in about.items() if v)
        pieces.append(
            f"<details><summary>What it needs and notes</summary><dl>{entries}</dl></details>"
        )
    if part.section.printed:
        pieces.append(f"<pre>{escape(part.section.printed)}</pre>")
    return f"<section>{''.join(pieces)}{''.join(part.utterances)}</section>"


def _table_part(table: ShownTable, pictures: Sequence[Illustration]) -> str:
    pieces = [f"<h3>{escape(table.title)}</h3>"]
    said = answer(table)
    if said is not None:
        seeds = sorted({row.seeds for row in table.rows if row.name in table.points})
        count = f"<br><small>seeds × n: {escape('; '.join(seeds))}</small>"
        pieces.append(f'<p class="answer {said.kind}">{escape(said.text)}{count}</p>')
    figures = [
        f"<figure>{picture.html}<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in pictures
    ]
    pieces += figures[:1]
    pieces.append(_table(table))
    pieces += [f"<p><small>{escape(note)}</small></p>" for note in table.notes]
    if figures[1:]:
        pieces.append(f'<div class="pair">{"".join(figures[1:])}</div>')
    return "".join(pieces)


def _table(table: ShownTable) -> str:
    columns = ordered_columns(table)
    heads = ["row", *([_head(table)] if table.reference else []), *columns, "seeds"]
    buttons = "".join(f'<th scope="col"><button>{escape(head)}</button></th>' for head in heads)
    best = table.best
    rows = []
    for row in table.rows:
        cells = [_cell(escape(row.name) + _small(row.notes), row.name)]
        if table.reference:
            cells.append(_difference(row, table))
        cells += [_figure(row.cells[table.columns.index(column)]) for column in columns]
        cells.append(_cell(escape(row.seeds), row.seeds))
        kinds = {"published": row.published, "best": row is best and len(table.points) > 1}
        kind = " ".join(name for name, on in kinds.items() if on)
        rows.append(f'<tr class="{kind}">{"".join(cells)}</tr>')
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr>{buttons}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def ordered_columns(table: ShownTable) -> list[str]:
    """The columns, the metric that rows are compared by first."""
    return sorted(table.columns, key=lambda column: column != table.metric)


def _head(table: ShownTable) -> str:
    return f"Δ {table.metric} to {table.reference}"


def _difference(row: ShownRow, table: ShownTable) -> str:
    found = row.difference
    if found is None:
        return _cell("reference" if row.name == table.reference else "", "0" * (not row.published))
    notes = [f"[{found.low:+.3f}, {found.high:+.3f}]"]
    notes.append(f"p {found.p:.3f}, Holm {row.corrected:.3f}")
    if row.compared_to != table.reference:
        notes.append(f"to {row.compared_to}")
    kind = ""
    if row.settled:
        kind = "better" if (found.difference < 0) == table.less_is_better else "worse"
    text = f'<span class="{kind}">{found.difference:+.3f}</span>{_small(notes)}'
    return _cell(text, f"{found.difference:.6f}")


def _figure(cell: Cell) -> str:
    text, _, covered = cell.text().partition(" [")
    value = "" if cell.mean is None else f"{cell.mean:.6f}"
    return _cell(escape(text) + _small([f"[{covered}"] if covered else []), value)


def _cell(text: str, value: str) -> str:
    return f'<td data-value="{escape(value)}">{text}</td>'


def _small(notes: Sequence[str]) -> str:
    return "".join(f"<br><small>{escape(note)}</small>" for note in notes)
