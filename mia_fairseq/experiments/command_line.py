"""The options of ``python -m mia_fairseq.experiments``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import command_parser
from mia_fairseq.experiments.plan import MOST_RUNS
from mia_fairseq.experiments.specification import experiment as experiments
from mia_fairseq.name_values import name_value, name_values


def experiments_parser(description: str | None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = command_parser("mia_fairseq.experiments", description)
    parser.epilog = f"experiments: {', '.join(experiments.names())}"
    parser.add_argument("experiment", metavar="EXPERIMENT")
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="one DATA folder or more")
    parser.add_argument(
        *("--input",),
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="what the experiment's own commands make DATA of, where no --data is given",
    )
    parser.add_argument("--seeds", type=int, help="seeds 1 to this one (default: the file's, or 5)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of all experiments")
    parser.add_argument(
        "--folds",
        action="store_true",
        help="cross-validation: a run for each fold of DATA's rows, their test rows pooled",
    )
    parser.add_argument(
        *("--most-runs",),
        type=int,
        default=MOST_RUNS,
        help=f"refuse an experiment of more runs (default: {MOST_RUNS})",
    )
    parser.add_argument("--max-epoch", type=int, help="fewer for a trial")
    parser.add_argument(
        *("--set",), action="append", default=[], metavar="FLAG=VALUE", help="for every run"
    )
    parser.add_argument(
        "--launcher", choices=("local", "slurm"), default="local", help="where the runs run"
    )
    parser.add_argument(
        *("--slurm",),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of submitit's executor, such as timeout_min=60 or slurm_partition=gpu",
    )
    parser.add_argument(
        "--print", action="store_true", help="print the merged file and the commands, run nothing"
    )
    parser.add_argument(
        *("--search",),
        type=int,
        metavar="TRIALS",
        help="search the experiment's or base.yaml's space, by validation only (needs optuna)",
    )
    parser.add_argument(
        *("--rows", "--row"),
        nargs="+",
        metavar="NAME",
        help="only these rows (default: all; of --search: the first)",
    )
    return parser


def given_inputs(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=PATH``; a path that is there is made absolute, since commands run elsewhere."""
    form = "NAME=PATH, such as file=features.npz"
    inputs = name_values(texts, "--input", str, form)
    return {
        name: str(Path(value).absolute()) if Path(value).exists() else value
        for name, value in inputs.items()
    }


def setting(text: str) -> tuple[str, str | bool]:
    """``FLAG=VALUE`` of ``--set``; true sets a flag without a value, false leaves a flag out."""
    name, value = name_value(text, "--set", "FLAG=VALUE, such as lr=1e-4", empty=True)
    return name.removeprefix("--"), {"true": True, "false": False}.get(value, value)
