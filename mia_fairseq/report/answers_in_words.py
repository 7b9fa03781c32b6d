"""What a table says, in a sentence: who leads, by how much, and whether that is settled."""

from collections.abc import Sequence
from dataclasses import dataclass

from mia_fairseq.report.shown_tables import ShownRow, ShownTable


@dataclass(frozen=True)
class Answer:
    """The sentence, and how it is to be shown.

    Attributes:
        text: the sentence.
        leader: the row that leads.
        figure: its metric, by name.
        difference: to the row it is compared with, which is named.
        verdict: in a word or two.
        kind: ``better`` or ``worse`` than the reference beyond chance, or nothing.
    """

    text: str
    leader: str
    figure: str
    difference: str
    verdict: str
    kind: str = ""


def answer(table: ShownTable) -> Answer | None:
    """The answer of a table of runs; None where no run is finished."""
    best = table.best
    if best is None:
        return None
    cell = table.figure(best)
    figure = f"{cell.mean:.3f}" + (f" ± {cell.deviation:.3f}" if cell.deviation else "")
    lead = f"{best.name} leads by {table.metric}, {figure}"
    others = [row for row in table.rows if row.compared_to == best.name]
    if others and best.name == table.reference:
        return _reference_leads(table, others, lead, figure)
    if best.difference is None:
        text = f"{lead}." if len(table.points) > 1 else f"{table.metric} {figure}."
        return Answer(text, best.name, f"{table.metric} {figure}", "", "")
    amount = difference_text(best)
    verdict = _verdict(best)
    chance = "beyond chance" if best.settled else "which may be chance"
    if best.too_few:
        chance = "which tells nothing yet"
        p = f"only {best.too_few}"
    else:
        p = f"p {best.difference.p:.3f}, {best.corrected:.3f} for all rows that were compared"
    text = f"{lead}: {amount} against {best.compared_to}, {chance} ({p})."
    shown = f"{amount} against {best.compared_to}"
    named = f"{table.metric} {figure}"
    return Answer(text, best.name, named, shown, verdict, "better" if best.settled else "")


def _verdict(row: ShownRow) -> str:
    """Of its difference."""
    if row.too_few:
        return f"only {row.too_few}: too few to tell"
    return "settled" if row.settled else "not settled"


def difference_text(row: ShownRow) -> str:
    """``-0.021 [-0.040, -0.003]``, or nothing."""
    found = row.difference
    if found is None:
        return ""
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _reference_leads(
    table: ShownTable, others: Sequence[ShownRow], lead: str, figure: str
) -> Answer:
    """Of a reference that others, one at least, were compared with."""
    sign = 1 if table.less_is_better else -1
    second = min(
        others, key=lambda row: sign * row.difference.difference if row.difference else 0.0
    )
    beaten = [row for row in others if row.settled]
    verdict = "settled" if len(beaten) == len(others) else _verdict(second)
    if beaten and len(beaten) < len(others):
        verdict = f"settled against {len(beaten)} of {len(others)}"
    amount = difference_text(second)
    differing = f"{len(beaten)} of {len(others)} rows differ from it beyond chance"
    if second.too_few:
        differing = f"that tells nothing yet (only {second.too_few})"
    text = f"{lead}. The next is {second.name}, {amount} against it; {differing}."
    shown, named = f"next is {second.name}, {amount}", f"{table.metric} {figure}"
    return Answer(text, others[0].compared_to, named, shown, verdict, "better" if beaten else "")
