"""Figures as images inside the page: small, and readable on a light and on a dark page.

Text, axes and grids are drawn in the two colours `INK` and `FAINT`, which the picture's own style
sheet turns round where the reader's system is dark.
"""

import io
import re
from html import escape
from typing import Any
from urllib.parse import quote

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

INK, FAINT = "#222224", "#8a8a8c"
BETTER, WORSE, UNSETTLED = "#1a8754", "#c8452d", "#7d8794"  # readable on white and on black
SERIES = (
    *("#3b7dd8", "#d9822b", "#1a9e6c", "#c8452d", "#8e63ce", "#a0724a"),
    *("#d46aa6", "#7d8794", "#a3a52a", "#26a7b8", "#5f6bd0", "#4f8a3b"),
)
DARK = (
    "<style>text{font-family:Helvetica,Arial,sans-serif}@media (prefers-color-scheme:dark){"
    f'[style*="fill: {INK}"]{{fill:#e6e6e8!important}}'
    f'[style*="stroke: {INK}"]{{stroke:#e6e6e8!important}}'
    "}</style>"
)
STYLE: dict[Any, Any] = {
    **{"svg.hashsalt": "mia_fairseq", "svg.fonttype": "none", "font.size": 10},
    **{"font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"], "axes.titlesize": 10},
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), FAINT),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), INK),
    **{"axes.spines.top": False, "axes.spines.right": False, "grid.color": FAINT},
    **{"legend.frameon": False, "grid.alpha": 0.25, "figure.facecolor": "none"},
    **{"axes.facecolor": "none", "savefig.facecolor": "none"},
}
NEEDLESS = (  # pattern, what is left of it: half of a small picture
    (r" font-family: [^;\"]*;?", ""),  # DARK has it
    (r'<g id="[a-z]\w*?(?:\.\w+)?_\d+">', "<g>"),
    (rf' style="fill: {FAINT}; stroke: {FAINT}; stroke-width: 0.8"', ""),  # marks have their own
    (r' transform="rotate\(-0 [-\d. ]+\)"', ""),
)
STRAIGHT = re.compile(r'(?<= d=")[ML\d\s.-]+')  # the beginning of a path: lines only
plt.rcParams.update(STYLE)


def series_color(place: int) -> str:
    """The colour of a row, the same in all pictures of a table."""
    return SERIES[place % len(SERIES)]


def as_image(figure: Figure, description: str) -> str:
    """An ``img`` element that holds the whole picture; the same numbers give the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"(?<=[\s\",(MLHVCQ-])(\d+\.\d)\d+", r"\1", text)  # a tenth of a point is enough
    text = re.sub(r"\n\s*", " ", text).replace("> <", "><")
    for needless in NEEDLESS:
        text = re.sub(*needless, text)
    text = STRAIGHT.sub(_shorter, text).replace(">", f">{DARK}", 1)
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    pixels, high = (float(side) * 4 / 3 for side in size.groups()) if size else (0.0, 0.0)
    least = ";min-width:640px" if pixels > 800 else ""  # scrolls on a phone
    room = f"width:{pixels:.0f}px;aspect-ratio:{pixels:.0f}/{high:.0f}{least}"  # before it is drawn
    shown = f' style="{room}"' if size else ""
    if not re.search(r"<[^>]*'", text):  # single quotes need no encoding within an attribute
        text = text.replace('"', "'")
    encoded = quote(text, safe=" =:/;,()[]{}!*@+$?|'<>")
    told = f'loading="lazy" alt="{escape(description)}"{shown}'
    return f'<img {told} src="data:image/svg+xml,{encoded}">'


def _shorter(path: re.Match[str]) -> str:
    """Lines of a path without what is understood: behind M, pairs of numbers are lines."""
    return re.sub(r"\s*L\s*", " ", path[0]).replace("M ", "M")
