"""The page of costs: counts every fusion, keeps the counts, and writes them into docs/costs.md.

python -m examples.costs_page --run       # counts; width 1,024 takes 10 GB of memory
python -m examples.costs_page             # writes the page of what was kept
python -m examples.costs_page --check     # fails where page and counts differ
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from examples.speed_page import table
from mia_fairseq.command import run as run_command
from mia_fairseq.complexity.cost_table import MILLION, PAPER, TABLE_10_CLASSES, markdown
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
KEPT = Path(__file__).with_name("results") / "costs"
PAGE = ROOT / "docs" / "costs.md"
WIDTH, BATCH, HEADS = 1024, 6, 16
SET_UPS = {  # the kept file's name -> the part's title, and more flags of the command
    "defaults": ("At the defaults", ()),
    "width_1024": (
        "At width 1,024",
        ("--set", f"fusion_dim={WIDTH}", f"fusion_heads={HEADS}", "fusion_layers=4"),
    ),
}
HEAD = """# What each fusion costs

Written by `python -m examples.costs_page`; `--run` counts again. The first part is of each fusion's
own defaults (width 128), the second of the width that the paper's counts seem to be of, 1,024, with
16 heads and 4 layers. The paper's figures (Table 10) stand in the last column where it has any. TFN
keeps its own width, since an outer product of 1,025 to the power of three has no use.

## What the paper's figures were seen to count

Parameters of three modalities, and operations of a batch of 6. A linear layer from i to o counts
i · o and its o biases, as ptflops does; a ReLU counts its numbers; attention over one position
counts the scaling of its query, and for each head two products and a softmax.

"""
UNKNOWN = """
What TFN, Transformer, CT and MIA-Net count could not be told from the paper's text. Two figures of
four modalities are giga times 1,024: TFN's 9011.20 is 8.80 · 1024, CT's 1116.16 is 1.09 · 1024. So
of TFN 8,800 are meant, which is 6 times its 1467.39 M parameters, and of CT 1,090. MIA-Net's 42.10
of a batch of 6 are 7.02 a row, fewer than its 9.33 M parameters.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Counts, and writes or checks the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", nargs="*", choices=SET_UPS, metavar="NAME", help="count again")
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    args = parser.parse_args(argv)
    for name in [] if args.run is None else args.run or SET_UPS:
        flags = [*SET_UPS[name][1], "--json", str(KEPT / f"{name}.json")]
        command = [sys.executable, "-m", "mia_fairseq.complexity", *flags]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    text = page(KEPT)
    if not args.check:
        write_whole(PAGE, text)
    elif PAGE.read_text(encoding="utf-8") != text:
        raise InputError(f"{PAGE}: is not of the counts kept; run python -m examples.costs_page")


def page(kept: Path) -> str:
    """The whole page, of the counts in a folder."""
    head = ("model", "as", "parameters (M)", "paper", "operations (M)", "paper")
    parts = [HEAD, "\n".join(table(head, list(seen()))) + "\n", UNKNOWN]
    for name, (title, flags) in SET_UPS.items():
        report = json.loads((kept / f"{name}.json").read_text(encoding="utf-8"))
        command = " ".join(["python -m mia_fairseq.complexity", *flags])
        _, _, body = markdown(report).partition("\n")
        parts += [f"\n## {title}, by `{command}`\n", body.replace("\n## ", "\n### ")]
    return "".join(parts)


def seen() -> Iterator[list[str]]:
    """The models that give the paper's figures, with their own."""
    hidden = [linear(6 * WIDTH, WIDTH), linear(WIDTH, TABLE_10_CLASSES)]
    relu = WIDTH
    layers = f"Linear({6 * WIDTH}→{WIDTH}), ReLU, Linear({WIDTH}→{TABLE_10_CLASSES})"
    yield beside("cim", layers, sum(hidden), sum(hidden) + relu)
    attention = 4 * linear(WIDTH, WIDTH)
    each_head = 2 * (WIDTH // HEADS) + 1  # query times key, share times value, softmax
    one = attention + WIDTH + HEADS * each_head
    yield beside("mha", f"three attentions of width {WIDTH}, {HEADS} heads", 3 * attention, 3 * one)


def linear(inputs: int, outputs: int) -> int:
    """Parameters of a linear layer, and what ptflops counts of it for one row."""
    return inputs * outputs + outputs


def beside(arch: str, layers: str, parameters: int, operations: int) -> list[str]:
    """A line of the table: ours of a batch, and the paper's."""
    (flops, sizes), _ = PAPER[arch]
    ours = [f"{parameters / MILLION:.2f}", f"{BATCH * operations / MILLION:.2f}"]
    return [arch, layers, ours[0], f"{sizes:.2f}", ours[1], f"{flops:.2f}"]


if __name__ == "__main__":
    run_command(main)
