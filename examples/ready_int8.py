"""What 8 bits cost: the ready models on the test rows of their corpora, in float32 and in int8.

    python -m examples.ready_int8 sentiment-small=MOSI emotion-small=MELD

Each name is that of a ready model of words, each folder the DATA that its recipe makes of its
corpus (``runs/NAME/MOSI``). The figures go to ``examples/results/int8.json``, from where
`python -m examples.results_tables` takes them into the documents.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.kept_results import figures
from examples.ready_models import predicted_rows
from examples.results_tables import RESULTS
from mia_fairseq.command import command_parser, run
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.running.pooled_folds import pooled_metrics
from mia_fairseq.experiments.running.provenance import made_by
from mia_fairseq.export.folder_names import INT8
from mia_fairseq.files import write_whole
from mia_fairseq.name_values import name_value
from mia_fairseq.ready.catalog import ready_folder

FLOAT32 = "float32"


def table(name: str, data: Path) -> dict[str, Any]:
    """Both rows of one ready model, as a table of kept results.

    Raises:
        InputError: there is no such model, or the folder is no DATA that it reads.
    """
    rows = {
        row: [figures(pooled_metrics(predicted_rows(ready_folder(name), data, int8=row == INT8)))]
        for row in (FLOAT32, INT8)
    }
    return {"title": f"{name}, test", "rows": rows, "made_of": {INT8: {"made_by": made_by()}}}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser("examples.ready_int8", __doc__)
    parser.add_argument("models", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--out", type=Path, default=RESULTS / "int8.json", metavar="FILE")
    args = parser.parse_args(argv)
    asked = dict(name_value(given, "NAME=DATA", "NAME=DATA") for given in args.models)
    for data in asked.values():
        if not (Path(data) / "meta.json").is_file():
            raise InputError(f"{data}: is no DATA folder; make it by the model's recipe")
    tables = [table(name, Path(data)) for name, data in asked.items()]
    write_whole(args.out, json.dumps({"tables": tables}, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
