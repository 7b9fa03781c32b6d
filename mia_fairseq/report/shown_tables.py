"""A table as the report shows it: figures with deviations and intervals, and differences."""

from collections.abc import Collection, Sized
from dataclasses import dataclass, field

from mia_fairseq.report.drawing.pictures import Point
from mia_fairseq.report.resampling.intervals import Comparison

LIMIT = 0.05  # of the corrected p, below which a difference is called settled
# Rows, or groups where groups are drawn, from which on a bootstrap's p can be trusted: of two equal
# models it was below .05 in 5 of 100 pairs at 20 to 80 rows, in 11 to 12 at 6 to 12, 54 at 2, and
# with groups in 22 of 100 at 5 and 7 at 24.
FEWEST = 20


@dataclass(frozen=True)
class Cell:
    """One figure: over seeds its mean and deviation, over utterances its interval.

    A published figure is written as it was printed, others with three decimals.
    """

    mean: float | None
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    published: bool = False

    def text(self) -> str:
        """``0.929 ± 0.005 [0.88, 0.98]``, as far as it is known."""
        if self.mean is None:
            return "–"
        if self.published:
            return f"{self.mean:g}"
        parts = [f"{self.mean:.3f}"]
        if self.deviation is not None:
            parts.append(f"± {self.deviation:.3f}")
        if self.interval is not None:
            parts.append("[{:.3f}, {:.3f}]".format(*self.interval))
        return " ".join(parts)


@dataclass
class ShownRow:
    """One line of a table; ``published`` where the figures are somebody else's."""

    name: str
    seeds: str
    cells: list[Cell]
    difference: Comparison | None = None
    compared_to: str = ""
    notes: list[str] = field(default_factory=list)
    published: bool = False
    corrected: float | None = None  # p by Holm, among the rows of the table
    too_few: str = ""  # "8 test rows", where no more than these are drawn

    @property
    def settled(self) -> bool:
        """Whether the difference is beyond chance, of all rows that were compared."""
        return not self.too_few and self.corrected is not None and self.corrected < LIMIT


@dataclass
class ShownTable:
    """A table, ready to be written."""

    title: str
    columns: tuple[str, ...]
    metric: str
    reference: str | None
    rows: list[ShownRow]
    points: dict[str, Point]  # the main metric of our rows, with its interval
    notes: list[str] = field(default_factory=list)

    @property
    def less_is_better(self) -> bool:
        """Of the table's metric."""
        return self.metric == "mae"

    @property
    def best(self) -> ShownRow | None:
        """Our row that leads by the table's metric."""
        rows = {row.name: row for row in self.rows if row.name in self.points}
        if not rows:
            return None
        sign = 1 if self.less_is_better else -1
        return rows[min(self.points, key=lambda name: sign * self.points[name][0])]

    def figure(self, row: ShownRow) -> Cell:
        """A row's cell of the table's metric."""
        return row.cells[self.columns.index(self.metric)]


def too_few(ids: Sized, groups: Collection[str]) -> str:
    """What is drawn, in words, where it is too little for a verdict; otherwise nothing."""
    drawn, what = (len(set(groups)), "groups of rows") if groups else (len(ids), "test rows")
    return f"{drawn} {what}" if drawn < FEWEST else ""
