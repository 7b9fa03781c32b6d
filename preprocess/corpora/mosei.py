"""CMU-MOSEI: 22,856 sentences in 3,227 videos, sentiment from -3 to 3.

    python -m preprocess.corpora.mosei RAW --out manifest.tsv

See `preprocess.corpora.cmu` for what RAW may look like. The official split is by
videos, 2,249/300/678.
"""

from collections.abc import Sequence

from mia_fairseq.command import run as run_command
from preprocess.corpora.cmu import run

KNOWN = {"train": 16326, "valid": 1871, "test": 4659}


def main(argv: Sequence[str] | None = None) -> None:
    """Write CMU-MOSEI's manifest."""
    run("CMU-MOSEI", "preprocess.corpora.mosei", KNOWN, argv, emotions=True)


if __name__ == "__main__":
    run_command(main)
