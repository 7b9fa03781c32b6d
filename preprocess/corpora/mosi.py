"""CMU-MOSI: 2,199 opinions in 93 videos, sentiment from -3 to 3.

    python -m preprocess.corpora.mosi RAW --out manifest.tsv

See `preprocess.corpora.cmu` for what RAW may look like. The official split is by videos, 52/10/31.
"""

from collections.abc import Sequence

from mia_fairseq.command import run as run_command
from preprocess.corpora.cmu import run

KNOWN = {"train": 1284, "valid": 229, "test": 686}


def main(argv: Sequence[str] | None = None) -> None:
    """Write CMU-MOSI's manifest."""
    run("CMU-MOSI", "preprocess.corpora.mosi", KNOWN, argv)


if __name__ == "__main__":
    run_command(main)
